"""A decider small enough to see through, and a server for applications under test."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from isodose.assessment import Decider, without_options
from isodose.clinical.finding import Citation, Finding
from isodose.clinical.knowledge import Entry, Knowledge
from isodose.clinical.record import Fact, PatientRecord
from isodose.clinical.rules import current

TODAY = dt.date(2026, 11, 23)
BASE = "https://isodose.example/fhir"


def decide(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
    kps = current(record.facts, "kps", on)
    return [
        Finding(
            code="FIT",
            verdict="unknown" if kps is None else "met" if kps.value >= 70 else "not-met",
            summary="Fit enough" if kps else "Cannot be judged yet.",
            strength="conditional",
            value=kps.value if kps else None,
            missing=() if kps else ("kps",),
            record_version=record.version,
            knowledge_version=knowledge.version,
            on=on,
        )
    ]


def resources(
    record: PatientRecord, findings: list[Finding], _knowledge: Knowledge, _on: dt.date, base: str
) -> list[dict[str, Any]]:
    """A Task while the patient is fit: something that can be withdrawn."""
    if findings[0].verdict != "met":
        return []
    return [
        {
            "resourceType": "Task",
            "identifier": [{"system": f"{base}/NamingSystem/result", "value": f"fit/{record.patient_id}"}],
            "status": "requested",
            "intent": "proposal",
            "for": {"reference": f"Patient/{record.patient_id}"},
        }
    ]


def make_decider() -> Decider:
    evidence = (Citation(cite="A source"),)
    entries = {"FIT": Entry(statement="KPS 70 or more", strength="conditional", evidence=evidence)}
    return Decider(
        service="fitness",
        event_type="isodose.eligibility.assessed",
        knowledge=Knowledge(entries),
        decide=decide,
        conclude=without_options(resources),
        today=lambda: TODAY,
        next_change=lambda _record, _findings, on: on + dt.timedelta(days=7),
    )


@pytest.fixture
def decider() -> Decider:
    return make_decider()


def record(version: int, kps: int | None, patient_id: str = "p1") -> PatientRecord:
    facts = (
        () if kps is None else (Fact(name="kps", value=kps, on=dt.date(2026, 11, 1), source="Observation/k"),)
    )
    return PatientRecord(
        patient_id=patient_id, version=version, facts=facts, read=("Observation/k", "Patient/p1")
    )


@pytest.fixture
def a_record() -> Any:
    return record
