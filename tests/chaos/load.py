"""An EHR that sends patients and corrects them, and sends again what was not acknowledged."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

RETRYABLE = (409, 503)
"""What a client may meet while something is away: somebody was faster, or try again."""
KPS = (
    '{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{{"resourceType":"Observation",'
    '"id":"{patient}-kps-told","meta":{{"lastUpdated":"{at}"}},"status":"final","code":{{"coding":['
    '{{"system":"http://loinc.org","code":"89243-0"}}]}},"subject":{{"reference":"Patient/{patient}"}},'
    '"effectiveDateTime":"2026-11-22","valueInteger":{value}}},'
    '"request":{{"method":"PUT","url":"Observation/{patient}-kps-told"}}}}]}}'
)


@dataclass
class Sent:
    """What was acknowledged, in the order of each patient; what had to be sent again, by what was met."""

    bodies: list[bytes] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)


class Ehr(threading.Thread):
    """Sends one bundle after the other until stopped, `pause_s` between two.

    It goes to any of `urls`, and to another one when one does not answer, as through a gateway. `admit` has
    each bundle first: the EHR knows its patients before anybody else does.
    """

    def __init__(
        self,
        urls: Sequence[str],
        headers: Mapping[str, str],
        patients: Sequence[Path],
        seed: int,
        pause_s: float,
        most: int,
        admit: Callable[[bytes], None],
    ) -> None:
        super().__init__(name=f"ehr-{seed}", daemon=True)
        self.sent = Sent()
        self.enough = threading.Event()
        self.leaving: set[str] = set()
        """Addresses that the gateway sends nobody to any more."""
        self._urls = itertools.cycle(urls)
        self._headers = {"content-type": "application/fhir+json", **headers}
        self._bodies = _bodies(patients, random.Random(seed), f"e{seed}", most)
        self._pause_s = pause_s
        self._admit = admit

    def run(self) -> None:
        with httpx.Client(timeout=20, headers=self._headers) as client:
            while not self.enough.is_set():
                body = next(self._bodies)
                self._admit(body)
                while (met := self._sent(client, body)) is not None:
                    self.sent.again[met] += 1
                    time.sleep(0.2)
                self.sent.bodies.append(body)
                time.sleep(self._pause_s)

    def _sent(self, client: httpx.Client, body: bytes) -> str | None:
        """What came instead of an acknowledgement; None for that."""
        try:
            answer = client.post(f"{self._next()}/fhir", content=body)
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.status_code == 200:
            return None
        said = f"{answer.status_code} {answer.text[:300]}"
        if answer.status_code not in RETRYABLE or '"OperationOutcome"' not in answer.text:
            self.sent.refused.append(said)
        return str(answer.status_code)

    def _next(self) -> str:
        url = next(self._urls)
        return next(self._urls) if url in self.leaving else url


def _bodies(patients: Sequence[Path], chance: random.Random, mark: str, most: int) -> Iterator[bytes]:
    """New patients, up to `most`, and corrections of those that were sent.

    Each correction says when it was made: one that is late, its sender having given it up and sent it
    again by another way, is known to be older than what came since.
    """
    known: list[str] = []
    told: dict[str, int] = {}
    made = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    while True:
        made += dt.timedelta(seconds=1)
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
            at = made.isoformat().replace("+00:00", "Z")
            yield KPS.format(patient=patient, value=told[patient], at=at).encode()
