"""An EHR that sends patients and corrects them, and sends again what was not acknowledged."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

HEADERS = {"content-type": "application/fhir+json"}
KPS = (
    '{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{{"resourceType":"Observation",'
    '"id":"{patient}-kps-told","status":"final","code":{{"coding":[{{"system":"http://loinc.org",'
    '"code":"89243-0"}}]}},"subject":{{"reference":"Patient/{patient}"}},'
    '"effectiveDateTime":"2026-11-22","valueInteger":{value}}},'
    '"request":{{"method":"PUT","url":"Observation/{patient}-kps-told"}}}}]}}'
)


@dataclass
class Sent:
    """What was acknowledged, in the order of each patient."""

    bodies: list[bytes] = field(default_factory=list)
    again: int = 0


class Ehr(threading.Thread):
    """Sends one bundle after the other to `url` until stopped; `pause_s` between two."""

    def __init__(self, url: str, patients: Sequence[Path], seed: int, pause_s: float, most: int) -> None:
        super().__init__(name=f"ehr-{seed}", daemon=True)
        self.sent = Sent()
        self.enough = threading.Event()
        self._url = url
        self._bodies = _bodies(patients, random.Random(seed), f"e{seed}", most)
        self._pause_s = pause_s

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20, headers=HEADERS) as client:
            while not self.enough.is_set():
                body = next(self._bodies)
                self._until_acknowledged(lambda body=body: client.post("/fhir", content=body))
                self.sent.bodies.append(body)
                time.sleep(self._pause_s)

    def _until_acknowledged(self, send: Callable[[], httpx.Response]) -> None:
        while True:
            try:
                answer = send()
            except httpx.HTTPError:
                pass
            else:
                if answer.status_code == 200:
                    return
                if answer.status_code < 500 and answer.status_code != 409:
                    raise AssertionError(f"refused with {answer.status_code}: {answer.text[:500]}")
            self.sent.again += 1
            time.sleep(0.2)


def _bodies(patients: Sequence[Path], chance: random.Random, mark: str, most: int) -> Iterator[bytes]:
    """New patients, up to `most`, and corrections of those that were sent."""
    known: list[str] = []
    told: dict[str, int] = {}
    while True:
        if not known or (len(known) < most and chance.random() < 0.4):
            file, number = chance.choice(patients), len(known)
            text = file.read_text(encoding="utf-8")
            old = re.search(r"demo-\d\d", text)
            assert old is not None
            known.append(f"{mark}-{number}")
            yield text.replace(old[0], known[-1]).encode()
        else:
            patient = chance.choice(known)
            other = [value for value in range(20, 101, 10) if value != told.get(patient)]
            told[patient] = chance.choice(other)
            yield KPS.format(patient=patient, value=told[patient]).encode()
