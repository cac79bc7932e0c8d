"""The five services as processes on Apache Kafka and PostgreSQL, killed in the middle of their work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import orjson
import pytest

from intake_form import item, response
from processes import NAMES, Services, environments

RESULTS = {
    "eligibility_scoring": "RequestGroup",
    "are_surveillance": "CarePlan",
    "ici_steroid_alerts": "DetectedIssue",
}
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(480)]


@pytest.fixture
def services(
    new_postgresql: Callable[[], str], kafka_url: str, topic_prefix: str, tmp_path: Path
) -> Iterator[Services]:
    running = Services(environments(f"{kafka_url}?prefix={topic_prefix}", new_postgresql), tmp_path)
    try:
        running.start_all()
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


def _answer_the_form(services: Services) -> None:
    """Say that whole-brain radiotherapy was given before, by which it is decided that it is not again."""
    assert _standing_of_wbrt(services) == "unknown"
    brain = {"linkId": "brain", "item": [item("prior_wbrt", valueBoolean=True)]}
    told = response(brain, subject={"reference": "Patient/demo-11"})
    url = f"{services.url('ehr_ingestion')}/fhir/QuestionnaireResponse"
    assert httpx.post(url, json=told, timeout=30).status_code == 201


def _standing_of_wbrt(services: Services) -> str:
    (entry,) = _search(services, "ehr_ingestion", "RequestGroup?patient=demo-11")["entry"]
    codes = {
        action["code"][0]["coding"][0]["code"]: action["code"][1] for action in entry["resource"]["action"]
    }
    return str(codes["wbrt"]["coding"][0]["code"])


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
    _answer_the_form(services)
    serving.eventually(lambda: _standing_of_wbrt(services) == "not-advised", 30)
    for name in NAMES:
        services.wait_until_ready(name)
    assert "Larch" not in services.log()
    assert "demo-12" not in services.log()
