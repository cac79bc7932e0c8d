"""From FHIR to the plan: partial dates, and the CodeX example whose kind nobody states."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

from are_surveillance import knowledge
from are_surveillance.decision import decide, plan_of
from are_surveillance.schedule import Plan
from isodose.mcode import build_record

KNOWN = knowledge.load()
SHARED = Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[3] / "shared"))
CODEX = SHARED / "samples" / "hl7-codex-radiation-therapy" / "json"
ON = dt.date(2026, 11, 23)


def plan_for(resources: list[dict[str, Any]], on: dt.date, patient_id: str = "p") -> Plan:
    record = build_record(patient_id, resources)
    return plan_of(record, decide(record, KNOWN, on), KNOWN, on)


def treated(**performed: Any) -> list[dict[str, Any]]:
    procedure = {
        "resourceType": "Procedure",
        "id": "srs",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "429584001"}]},
    }
    return [{"resourceType": "Patient", "id": "p"}, procedure | performed]


@pytest.mark.parametrize(
    ("performed", "status", "counted_from", "asked"),
    [
        ({"performedDateTime": "2026-03-05"}, "active", "2026-03-05", False),
        ({"performedDateTime": "2026-03-05T23:30:00-10:00"}, "active", "2026-03-05", False),
        ({"performedDateTime": "2024-02-29T00:10:00+14:00"}, "active", "2024-02-29", False),
        ({"performedDateTime": "2026-03"}, "active", "2026-03-01", True),
        ({"performedDateTime": "2026"}, "active", "2026-01-01", True),
        ({}, "undated", None, True),
    ],
)
def test_no_date_loses_a_treated_patient(
    performed: dict[str, Any], status: str, counted_from: str | None, asked: bool
) -> None:
    plan = plan_for(treated(**performed), ON)
    assert plan.status == status
    assert (plan.anchor.day.isoformat() if plan.anchor else None) == counted_from
    assert any(question.code == "course-date" for question in plan.questions) is asked


def scanned(started: str) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": "mri",
        "status": "available",
        "subject": {"reference": "Patient/p"},
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "MR"}],
        "procedureCode": [{"coding": [{"system": "http://loinc.org", "code": "24587-8"}]}],
        "started": started,
    }


@pytest.mark.parametrize(
    ("started", "closed", "asked"),
    [
        ("2024-04-25", "2024-04-25", False),
        ("2024-04-25T23:59:00-12:00", "2024-04-25", False),
        ("2024-04-25T00:01:00+14:00", "2024-04-25", False),
        ("2024-04", None, True),
        ("2024", None, True),
    ],
)
def test_a_scan_counts_on_the_day_of_its_own_place_and_not_on_a_guess(
    started: str, closed: str | None, asked: bool
) -> None:
    """After a course that ended on a leap day."""
    plan = plan_for([*treated(performedDateTime="2024-02-29"), scanned(started)], dt.date(2024, 5, 1))
    done = [p.slot.scan.on.isoformat() for p in plan.places if p.slot.scan and p.slot.scan.on]
    assert done == ([closed] if closed else [])
    assert any(question.code == "scan-date" for question in plan.questions) is asked


@pytest.mark.skipif(not CODEX.exists(), reason="the CodeX samples are not here; set ISODOSE_SHARED")
def test_the_codex_patient_is_followed_up_with_the_question_what_the_course_was() -> None:
    files = sorted(CODEX.glob("*XRTS-05*.json"))
    resources = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    plan = plan_for(resources, dt.date(2020, 11, 20), "Patient-XRTS-05-22B")
    assert plan.anchor is not None
    assert plan.active is not None
    assert plan.anchor.day == dt.date(2020, 9, 14)
    assert plan.active.state == "due"
    assert [question.code for question in plan.questions] == ["course-kind"]
    backwards = plan_for(resources[::-1], dt.date(2020, 11, 20), "Patient-XRTS-05-22B")
    assert backwards == plan


@pytest.mark.parametrize("day", ["9999-12-31", "9999", "9999-12-31T23:59:59-14:00", "0001-01-01"])
def test_a_day_that_no_one_meant_stops_no_decision(day: str) -> None:
    operation = {
        "resourceType": "Procedure",
        "id": "cut",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "447107001"}]},
        "performedDateTime": day,
    }
    open_ended = {"performedPeriod": {"start": "2026-03-05", "end": day}}
    assert plan_for([*treated(performedDateTime="2026-03-05"), operation], ON).status == "active"
    assert plan_for(treated(**open_ended), ON).status
    assert plan_for([*treated(performedDateTime=day), operation], ON).status
