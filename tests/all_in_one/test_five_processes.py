"""The five services as processes on Apache Kafka and PostgreSQL, killed in the middle of their work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import orjson
import pytest

NAMES = ("ehr_ingestion", "eligibility_scoring", "are_surveillance", "ici_steroid_alerts", "worklist")
RESULTS = {
    "eligibility_scoring": "RequestGroup",
    "are_surveillance": "CarePlan",
    "ici_steroid_alerts": "DetectedIssue",
}
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(480)]


class Services:
    """The processes by name; each can be killed and started again."""

    def __init__(self, environments: dict[str, dict[str, str]], logs: Path) -> None:
        self._environments = environments
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = [str(Path(sys.executable).parent / "isodose"), "serve", name]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=os.environ | self._environments[name], stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """As the machine would: no chance to finish anything."""
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._environments[name]['ISODOSE_PORT']}"

    def wait_until_ready(self, name: str, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._running[name].poll() is not None:
                break
            try:
                if httpx.get(f"{self.url(name)}/readyz", timeout=10).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        pytest.fail(f"{name} is not ready: {(self._logs / f'{name}.log').read_text()[-2000:]}")

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(30)

    def log(self) -> str:
        return "".join((self._logs / f"{name}.log").read_text() for name in self._running)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def services(
    new_postgresql: Callable[[], str], kafka_url: str, topic_prefix: str, tmp_path: Path
) -> Iterator[Services]:
    ports = {name: str(_free_port()) for name in NAMES}
    common = {
        "ISODOSE_EVENT_LOG_URL": f"{kafka_url}?prefix={topic_prefix}",
        "ISODOSE_DEMONSTRATION_DAY": "2026-11-23",
        **{f"ISODOSE_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()},
        "ISODOSE_WORKLIST_URL": f"http://127.0.0.1:{ports['worklist']}/worklist",
    }
    environments = {
        name: common
        | {"ISODOSE_PORT": port, "ISODOSE_DATABASE_URL": "" if name == "worklist" else new_postgresql()}
        for name, port in ports.items()
    }
    running = Services(environments, tmp_path)
    try:
        for name in NAMES:
            running.start(name)
        for name in NAMES:
            running.wait_until_ready(name)
        yield running
    finally:
        running.stop()


def _post(services: Services, file: Path) -> None:
    answer = httpx.post(
        f"{services.url('ehr_ingestion')}/fhir",
        content=file.read_bytes(),
        headers={"content-type": "application/fhir+json"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


def _search(services: Services, name: str, query: str) -> dict[str, Any]:
    answer = httpx.get(f"{services.url(name)}/fhir/{query}", timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _count(services: Services, name: str, kind: str) -> int:
    return int(_search(services, name, f"{kind}?_count=0")["total"])


def _guided(services: Services, name: str) -> set[str]:
    """The patients on whom a service has concluded something."""
    kind = RESULTS[name]
    found = _search(services, name, f"{kind}?_count=500").get("entry", [])
    holders = [entry["resource"].get("subject") or entry["resource"].get("patient") for entry in found]
    return {holder["reference"] for holder in holders}


def test_the_main_job_survives_kill_minus_nine(
    services: Services, patients: list[Path], serving: ModuleType
) -> None:
    """Posted to one service, concluded by three, gathered in one record; no step is lost or done twice."""
    half = len(patients) // 2
    for file in patients[:half]:
        _post(services, file)
    services.kill("eligibility_scoring")
    for file in patients[half:]:
        _post(services, file)
    services.kill("ehr_ingestion")
    for name in ("eligibility_scoring", "ehr_ingestion"):
        services.start(name)
    for name in ("eligibility_scoring", "ehr_ingestion"):
        services.wait_until_ready(name)
    everyone = {
        f"Patient/{orjson.loads(file.read_bytes())['entry'][0]['resource']['id']}" for file in patients
    }
    serving.eventually(lambda: _guided(services, "eligibility_scoring") == everyone, 120)

    for name, kind in RESULTS.items():
        serving.eventually(lambda name=name, kind=kind: _count(services, name, kind) > 0, 120)
        made = _count(services, name, kind)
        serving.eventually(lambda kind=kind, made=made: _count(services, "ehr_ingestion", kind) == made, 120)
    groups = _search(services, "ehr_ingestion", "RequestGroup?_count=500")
    assert groups["total"] == len(patients)
    everything = _search(services, "ehr_ingestion", "Patient/demo-12/$everything")
    kinds = {entry["resource"]["resourceType"] for entry in everything["entry"]}
    assert {"Patient", "Procedure", "RequestGroup", "CarePlan", "DetectedIssue", "Provenance"} <= kinds
    page = httpx.get(f"{services.url('worklist')}/worklist", timeout=30)
    assert page.status_code == 200
    assert "demo-12" in page.text
    assert "not available now" not in page.text
    for name in NAMES:
        services.wait_until_ready(name)
    assert "Larch" not in services.log()
    assert "demo-12" not in services.log()
