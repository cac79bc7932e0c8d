"""A FHIR server that no one here wrote plays the EHR: read by patient, by export, by its notifications."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from all_in_one.pulling import bulk_pull, host, pull_all
from ehr_ingestion.app import service
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.connection import ehr_of
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.notifications.registering import registrar_of
from ehr_ingestion.notifications.registry import EhrSubscription
from ehr_ingestion.pull import EXPORTED, EhrReader
from hapi.server import start
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.records import Records
from isodose.storage.tables import resource
from maven import CannotRun
from served import eventually, free_port, listening

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "patients" / "11-local-change-after-srs.json"
PATIENT = "demo-11"
FHIR = {"content-type": "application/fhir+json"}
Json = dict[str, Any]

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory, not_here: Callable[[object], None]) -> Iterator[str]:
    """The FHIR base of the EHR, which holds the sample patient."""
    try:
        process, base = start(tmp_path_factory.mktemp("hapi") / "server.log")
    except CannotRun as reason:
        not_here(reason)
        return
    try:
        answer = httpx.post(base, content=SAMPLE.read_bytes(), headers=FHIR, timeout=120)
        assert answer.status_code == 200, answer.text[:1000]
        yield base
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def here(new_sqlite: Callable[[], str], tmp_path: Path) -> Settings:
    """An empty place of our own; taken anew by each test."""
    return Settings(database_url=new_sqlite(), event_log_url=f"sqlite:///{tmp_path / 'events.db'}")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> PatientRecord:
    """The record that the sample patient has when the EHR posts it."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("pushed"))
    own = settings.for_service("ehr_ingestion", 8001)
    database = Database(own.database_url)
    database.migrate()
    with serving.served(build_app(service(own), own)) as client:
        assert client.post("/fhir", content=SAMPLE.read_bytes(), headers=FHIR).status_code == 200
    found = record(own)
    database.dispose()
    assert found is not None
    return found


def record(settings: Settings) -> PatientRecord | None:
    database = Database(settings.database_url)
    with database.read() as conn:
        found = Records(conn).get(PATIENT)
    database.dispose()
    return found


def bare(record: PatientRecord | None) -> PatientRecord | None:
    return record and msgspec.structs.replace(record, version=0)


@pytest.fixture
def asking(ehr: str) -> EhrClient:
    """A client of the EHR; HAPI asks to be left alone for two minutes and is ready in one second."""
    return EhrClient(host(ehr, dict).base, sleep=lambda seconds: time.sleep(min(seconds, 0.3)))


@pytest.fixture
def reader(ehr: str) -> EhrReader:
    return EhrReader(EhrClient(ehr))


def test_a_patient_who_is_pulled_has_the_record_of_one_who_was_posted(
    ehr: str, reader: EhrReader, here: Settings, pushed: PatientRecord
) -> None:
    summary = pull_all(reader, ehr, [PATIENT], None, here)[PATIENT]
    assert (summary.refused, summary.withheld) == ([], {})
    assert bare(record(here)) == bare(pushed)
    again = pull_all(reader, ehr, [PATIENT], None, here)[PATIENT]
    assert (again.accepted, again.changed) == (0, 0)


def test_patients_who_are_exported_have_it_too_and_the_next_export_holds_what_came_since(
    ehr: str, asking: EhrClient, here: Settings, pushed: PatientRecord
) -> None:
    report = bulk_pull(asking, ehr, ExportRequest(types=EXPORTED), here)
    assert (report.aside, report.ended) == ([], True)
    assert sum(file.accepted for file in report.files) > 30
    assert bare(record(here)) == bare(pushed)
    again = bulk_pull(asking, ehr, ExportRequest(types=EXPORTED), here)
    assert sum(file.accepted + file.changed for file in again.files) == 0


def test_what_the_ehr_holds_comes_as_it_is_there(ehr: str, reader: EhrReader, here: Settings) -> None:
    pull_all(reader, ehr, [PATIENT], None, here)
    database = Database(here.database_url)
    with database.read() as conn:
        rows = conn.execute(resource.select().where(resource.c.origin == "ehr")).all()
    database.dispose()
    assert len(rows) > 30
    for row in rows:
        there = httpx.get(f"{ehr}/{row.type}/{row.id}", timeout=30).content
        assert _without_meta(row.body.encode()) == _without_meta(there)


def test_the_ehr_tells_what_changed_and_the_record_follows(ehr: str, here: Settings) -> None:
    port = free_port()
    settings = here.model_copy(
        update={"ehr_fhir_url": ehr, "port": port, "public_url": f"http://127.0.0.1:{port}"}
    )
    client = ehr_of(settings)
    assert client is not None
    database = Database(settings.database_url)
    registrar = registrar_of(client, database, settings)
    told = EhrSubscription(
        name="facts",
        criteria="Observation?",
        topic="",
        content="full-resource",
        created_at=dt.datetime.now(dt.UTC),
    )
    changed = _kps(55)
    with listening(build_app(service(settings), settings), port):
        made = registrar.create(told)
        eventually(lambda: registrar.status(made) == "active", 60)
        answer = httpx.put(
            f"{ehr}/Observation/kps-told", content=orjson.dumps(changed), headers=FHIR, timeout=60
        )
        assert answer.status_code == 201, answer.text
        found = eventually(lambda: _kps_of(record(settings)), 120)
        registrar.remove(made)
    database.dispose()
    assert 55 in found
    httpx.delete(f"{ehr}/Observation/kps-told", timeout=60).raise_for_status()


def test_results_are_written_back_once_and_are_not_taken_for_the_ehrs_own(
    ehr: str, reader: EhrReader, here: Settings, serving: Any
) -> None:
    settings = here.model_copy(update={"ehr_fhir_url": ehr, "write_back_types": ("DetectedIssue",)})
    pull_all(reader, ehr, [PATIENT], None, settings)
    with serving.served(build_app(service(settings), settings)) as client:
        for version, status in ((1, "final"), (2, "amended")):
            with client.app.state.running.transaction() as work:
                fold_guidance(work, [_alert(version, status)], write_back=True)
            eventually(lambda status=status: [one["status"] for one in _alerts_at(ehr)] == [status], 120)
    (alert,) = _alerts_at(ehr)
    assert alert["patient"]["reference"] == f"Patient/{PATIENT}"
    assert httpx.get(f"{ehr}/DetectedIssue/{alert['id']}/_history", timeout=60).json()["total"] == 2
    again = bulk_pull(
        EhrClient(host(ehr, dict).base, sleep=lambda seconds: time.sleep(min(seconds, 0.3))),
        ehr,
        ExportRequest(types=("Patient", "DetectedIssue")),
        settings,
    )
    assert [(file.type, file.accepted, file.unchanged) for file in again.files] == [
        ("Patient", 0, 1), ("DetectedIssue", 0, 1)
    ]  # fmt: skip
    httpx.delete(f"{ehr}/DetectedIssue/{alert['id']}", timeout=60).raise_for_status()


def _alert(version: int, status: str) -> contract.Event:
    issue = {
        "resourceType": "DetectedIssue", "id": "hapi-alert", "status": status,
        "identifier": [{"system": "https://isodose.example/fhir/NamingSystem/result", "value": "hapi-alert"}],
        "patient": {"reference": f"Patient/{PATIENT}"},
    }  # fmt: skip
    data = {
        "patientId": PATIENT, "service": "ici_steroid_alerts", "recordVersion": version,
        "knowledgeVersion": "k", "on": "2026-11-23", "findings": [], "options": [], "resources": [issue],
    }  # fmt: skip
    return contract.guidance("isodose.alerts.checked", "ici_steroid_alerts", data, PATIENT)


def _alerts_at(ehr: str) -> list[Json]:
    asked = {"cache-control": "no-cache"}
    found = httpx.get(f"{ehr}/DetectedIssue?patient={PATIENT}", headers=asked, timeout=60).json()
    return [entry["resource"] for entry in found.get("entry", [])]


def _kps(value: int) -> Json:
    code = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}
    return {
        "resourceType": "Observation", "id": "kps-told", "status": "final", "code": {"coding": [code]},
        "subject": {"reference": f"Patient/{PATIENT}"}, "effectiveDateTime": "2026-11-22",
        "valueInteger": value,
    }  # fmt: skip


def _kps_of(found: PatientRecord | None) -> list[Any]:
    return (
        []
        if found is None
        else [fact.value for fact in found.facts if fact.name == "kps" and fact.value == 55]
    )


def _without_meta(text: bytes) -> bytes:
    members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    members.pop("meta", None)
    return msgspec.json.format(msgspec.json.encode(dict(sorted(members.items()))), indent=-1)
