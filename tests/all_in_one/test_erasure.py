"""One patient is erased: nothing of them is left in any table or topic, and nobody else misses anything."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from all_in_one.app import AllInOne
from all_in_one.command import app
from isodose.settings import Settings
from isodose.storage.tables import audit_event, metadata, resource

MARK = "Zweitbefund-Quarz"
KEPT = ("audit_event", "audit_patient")
"""Who looked at whom is told for as long as the law asks; it holds ids and no more."""


@pytest.fixture
def whole(tmp_path: Path, serving: ModuleType) -> Iterator[Any]:
    made = AllInOne(Settings(data_dir=tmp_path, demonstration_day=dt.date(2026, 11, 23)))
    made.migrate()
    with serving.served(made, made.lifespan()) as client:
        yield client


def marked(patients: list[Path], number: int) -> dict[str, Any]:
    bundle: dict[str, Any] = orjson.loads(patients[number].read_bytes())
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Observation":
            entry["resource"]["note"] = [{"text": MARK}]
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"]["name"] = [{"family": MARK}]
    return bundle


def found(whole: Any, sought: str) -> list[str]:
    """In which tables of which services, and in which topics, this text stands; keys of tombstones apart."""
    places = []
    for name, running in whole.app.running().items():
        with running.database.read() as conn:
            for table in metadata.sorted_tables:
                rows = conn.execute(select(table)).all() if table.name not in KEPT else []
                places += [f"{name} {table.name}" for row in rows if sought in repr(tuple(row))]
    log = sqlite3.connect(whole.app.settings["worklist"].data_dir / "events.db")
    told = log.execute("SELECT topic, key, value FROM record WHERE value IS NOT NULL").fetchall()
    log.close()
    return places + [row[0] for row in told if sought.encode() in row[2] or row[1] == sought]


def decided(whole: Any) -> bool:
    """Every service has concluded something on both patients, and it came back to the one record."""
    kinds = (("/eligibility", "RequestGroup"), ("/surveillance", "CarePlan"), ("/alerts", "DetectedIssue"))
    there = ("demo-06", "demo-11")
    return all(
        whole.get(f"{prefix}/fhir/{kind}?patient={patient}&_count=0").json()["total"]
        for patient in there
        for owner, kind in kinds
        for prefix in ("", owner)
        if patient == "demo-11" or kind != "CarePlan"
    )


def of_others(whole: Any) -> dict[str, int]:
    counted = {}
    for name, running in whole.app.running().items():
        with running.database.read() as conn:
            other = select(func.count()).where(resource.c.patient_id == "demo-06")
            counted[name] = conn.execute(other).scalar_one()
    return counted


def erased(whole: Any) -> dict[str, int]:
    """By service, how often an erasure was taken down."""
    counted = {}
    for name, running in whole.app.running().items():
        with running.database.read() as conn:
            taken = select(func.count()).where(audit_event.c.subtype == "erase", audit_event.c.action == "D")
            counted[name] = conn.execute(taken).scalar_one()
    return counted


def test_nothing_of_an_erased_patient_is_left_and_all_of_the_others(
    whole: Any, patients: list[Path], serving: ModuleType, tmp_path: Path
) -> None:
    for bundle in (orjson.loads(patients[5].read_bytes()), marked(patients, 10)):
        assert whole.post("/fhir", json=bundle).status_code == 200
    serving.eventually(lambda: decided(whole), 60)
    [first, *_] = whole.get("/alerts/fhir/DetectedIssue?patient=demo-11").json()["entry"]
    answer = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "outcome", "valueCode": "overridden"},
            {"name": "reason", "valueCoding": {"system": "http://x.example/r", "code": "other"}},
            {"name": "comment", "valueString": MARK},
        ],
    }
    path = f"/alerts/fhir/DetectedIssue/{first['resource']['id']}/$answer"
    answered = whole.post(path, json=answer, headers={"content-type": "application/fhir+json"})
    assert answered.status_code == 200, answered.text
    before = of_others(whole)
    assert {"ehr_ingestion resource", "ehr_ingestion resource_version", "isodose.guidance.v1"} <= {
        *found(whole, MARK),
        *found(whole, "demo-11"),
    }

    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    done = CliRunner().invoke(app, ["erase", "demo-11", "--yes"], env=place)
    assert done.exit_code == 0, done.output
    serving.eventually(lambda: all(erased(whole).values()), 30)
    serving.eventually(lambda: not [p for p in found(whole, "demo-11") if "outbox" not in p], 30)
    assert set(found(whole, MARK)) == {"isodose.card-feedback.v1"}, "it holds answers for thirty days"
    assert of_others(whole) == before
    assert whole.get("/fhir/Patient/demo-11").status_code == 404
    verified = CliRunner().invoke(app, ["audit"], env=place)
    assert (verified.exit_code, verified.stdout.count("the chain holds")) == (0, 5)

    assert whole.post("/fhir", json=orjson.loads(patients[10].read_bytes())).status_code == 200
    serving.eventually(lambda: decided(whole), 60)
    assert set(found(whole, MARK)) == {"isodose.card-feedback.v1"}


def test_a_patient_who_was_merged_is_erased_under_every_id(
    whole: Any, patients: list[Path], serving: ModuleType, tmp_path: Path
) -> None:
    bundle = marked(patients, 10)
    assert whole.post("/fhir", json=bundle).status_code == 200
    serving.eventually(lambda: "are_surveillance patient_record" in found(whole, "demo-11"), 60)
    [patient] = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"]
    survivor = {"resourceType": "Patient", "id": "demo-77", "birthDate": patient["birthDate"]}
    replaced = patient | {"link": [{"other": {"reference": "Patient/demo-77"}, "type": "replaced-by"}]}
    assert whole.put("/fhir/Patient/demo-77", json=survivor).status_code == 201
    assert whole.put("/fhir/Patient/demo-11", json=replaced).status_code == 200
    serving.eventually(lambda: "are_surveillance patient_record" in found(whole, "demo-77"), 60)

    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    refused = CliRunner().invoke(app, ["erase", "demo-11", "--yes"], env=place)
    assert (refused.exit_code, "erase demo-77" in refused.output) == (1, True)
    done = CliRunner().invoke(app, ["erase", "demo-77", "--yes"], env=place)
    assert "demo-77, with demo-11: " in done.output
    for id in ("demo-77", "demo-11"):
        serving.eventually(lambda id=id: not [p for p in found(whole, id) if "outbox" not in p], 30)
    assert found(whole, MARK) == []


def test_an_erasure_that_was_not_meant_is_not_done(tmp_path: Path) -> None:
    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    assert CliRunner().invoke(app, ["migrate"], env=place).exit_code == 0
    asked = CliRunner().invoke(app, ["erase", "demo-11"], input="n\n", env=place)
    assert asked.exit_code == 1
    assert "rows erased" not in asked.output
