"""Replicas of a service share its work; more may join, and any be stopped, without an error to a client."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from processes import Services, environments

HEADERS = {"content-type": "application/fhir+json"}
RECORD = "isodose.patient-record.v1"
SHARED = ("ehr_ingestion", "are_surveillance")
THIRD = "are_surveillance#3"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(480)]


class Client(threading.Thread):
    """Sends bundles to either replica, as a gateway does: one that takes no connection is passed over."""

    def __init__(self, urls: list[str], bodies: Iterator[bytes]) -> None:
        super().__init__(daemon=True)
        self.enough = threading.Event()
        self.taken = 0
        self.errors: list[str] = []
        self._urls = itertools.cycle(urls)
        self._bodies = bodies

    def run(self) -> None:
        for body in self._bodies:
            if self.enough.is_set():
                return
            for url in itertools.islice(self._urls, 4):
                try:
                    answer = httpx.post(f"{url}/fhir", content=body, headers=HEADERS, timeout=60)
                except httpx.ConnectError:
                    continue
                except httpx.HTTPError as error:
                    self.errors.append(type(error).__name__)
                else:
                    self.taken += 1
                    if answer.status_code != 200:
                        self.errors.append(f"{answer.status_code} {answer.text[:200]}")
                break
            else:
                self.errors.append("no replica took a connection")
            time.sleep(0.05)


@pytest.fixture
def replicas(
    new_postgresql: Callable[[], str], kafka_url: str, topic_prefix: str, tmp_path: Path
) -> Iterator[Services]:
    log = f"{kafka_url}?prefix={topic_prefix}"
    made = environments(log, new_postgresql, {"ehr_ingestion": 2, "are_surveillance": 3})
    running = Services(
        {name: one for name, one in made.items() if name.partition("#")[0] in SHARED}, tmp_path
    )
    try:
        running.start_all(but=[THIRD])
        yield running
    finally:
        running.stop()


def bodies(patients: list[Path]) -> Iterator[bytes]:
    """A new patient each time."""
    for number, file in enumerate(itertools.cycle(patients)):
        text = file.read_text(encoding="utf-8")
        old = re.search(r"demo-\d\d", text)
        assert old is not None
        yield text.replace(old[0], f"many-{number}").encode()


def handled(services: Services, name: str) -> float:
    """How many records this replica has handled."""
    metrics = httpx.get(f"{services.url(name)}/metrics", timeout=30).text
    found = re.search(rf'isodose_events_handled_total{{outcome="handled",.*topic="{RECORD}"}} (\S+)', metrics)
    return float(found[1]) if found else 0.0


def decided(services: Services, name: str) -> int:
    answer = httpx.get(f"{services.url(name)}/fhir/Provenance?_summary=count", timeout=30)
    return int(answer.json()["total"])


def test_replicas_share_the_work_one_may_join_and_one_may_go(
    replicas: Services, patients: list[Path], serving: ModuleType
) -> None:
    treated = [file for file in patients if file.name.startswith(("11-", "12-", "13-"))]
    client = Client([replicas.url("ehr_ingestion"), replicas.url("ehr_ingestion#2")], bodies(treated))
    client.start()
    pair = ("are_surveillance", "are_surveillance#2")
    serving.eventually(lambda: all(handled(replicas, name) > 2 for name in pair), 90)

    replicas.start(THIRD)
    replicas.wait_until_ready(THIRD)
    serving.eventually(lambda: handled(replicas, THIRD) > 2, 90)
    stand = [handled(replicas, name) for name in pair]
    serving.eventually(
        lambda: all(handled(replicas, name) > was for name, was in zip(pair, stand, strict=True)), 90
    )

    for name in ("ehr_ingestion", "are_surveillance"):
        replicas.terminate(name)
        assert '"message":"stopped"' in replicas.log_of(name)
    before = client.taken
    serving.eventually(lambda: client.taken >= before + 5, 60)
    client.enough.set()
    client.join(60)
    assert client.errors == []
    serving.eventually(lambda: decided(replicas, "are_surveillance#2") == client.taken, 90)
