"""The reason of a withdrawal: what changed, in the place that R4 has for it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from isodose.assessment.withdrawal import because, reason
from isodose.clinical.record import Course, Fact, PatientRecord, Scan, Subject
from isodose.fhir.validation import validate

DAY = dt.date(2026, 3, 1)
SUBJECT = {"reference": "Patient/p"}
RESULTS: list[dict[str, Any]] = [
    {"resourceType": "Task", "status": "cancelled", "intent": "proposal"},
    {"resourceType": "ServiceRequest", "status": "revoked", "intent": "proposal", "subject": SUBJECT},
    {"resourceType": "CarePlan", "status": "revoked", "intent": "proposal", "subject": SUBJECT},
    {"resourceType": "RequestGroup", "status": "revoked", "intent": "proposal"},
    {"resourceType": "RiskAssessment", "status": "cancelled", "subject": SUBJECT},
    {
        "resourceType": "GuidanceResponse",
        "status": "entered-in-error",
        "moduleUri": "http://isodose.example/m",
    },
    {"resourceType": "ResearchStudy", "status": "withdrawn"},
    {"resourceType": "DetectedIssue", "status": "cancelled"},
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: str(result["resourceType"]))
def test_the_reason_stands_where_r4_has_a_place_for_it(result: dict[str, Any]) -> None:
    withdrawn = because(result, "The scan came.", DAY)
    validate(withdrawn)
    assert ("The scan came." in str(withdrawn)) is (result["resourceType"] != "DetectedIssue")


def test_notes_that_were_there_stay() -> None:
    noted = because({**RESULTS[1], "note": [{"text": "Best by Monday."}]}, "The scan came.", DAY)
    assert [note["text"] for note in noted["note"]] == [
        "Best by Monday.",
        "Withdrawn on 2026-03-01: The scan came.",
    ]


def _record(**more: Any) -> PatientRecord:
    return PatientRecord(patient_id="p", version=1, **more)


SIZE = Fact(name="lesion_diameter_cm", value=2.1, unit="cm", on=DAY, source="Observation/d")
LESION = Subject(ref="BodyStructure/l", scope="lesion", facts=(SIZE,))
GIVEN = Course(ref="Procedure/c", kind="fsrs", certainty="sure", status="completed", end=DAY)
MRI = Scan(ref="ImagingStudy/s", modality="MR", region="brain", status="done", on=DAY)
BOOKED = Scan(ref="ImagingStudy/s", modality="MR", region="brain", status="booked", on=DAY)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"scans": (MRI,)}, "new: scan ImagingStudy/s"),
        ({"courses": (GIVEN,)}, {}, "gone: course Procedure/c"),
        ({"scans": (BOOKED,)}, {"scans": (MRI,)}, "changed: scan ImagingStudy/s"),
        (
            {},
            {"subjects": (LESION,)},
            "new: lesion_diameter_cm 2.1 of 2026-03-01 about BodyStructure/l (Observation/d)",
        ),
        (
            {"subjects": (LESION,)},
            {},
            "gone: lesion_diameter_cm 2.1 of 2026-03-01 about BodyStructure/l (Observation/d)",
        ),
        ({}, {"deceased": True}, "the patient has died"),
    ],
)
def test_what_changed_in_the_record_is_told_with_its_source(
    before: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    told = reason(_record(**before), _record(**after), (DAY, DAY), anew=False)
    assert told == f"No longer concluded. What changed: {said}."


def test_many_changes_are_counted_and_not_all_told() -> None:
    scans = tuple(msgspec.structs.replace(MRI, ref=f"ImagingStudy/s{n:02}") for n in range(13))
    told = reason(_record(), _record(scans=scans), (DAY, DAY), anew=False)
    assert told.endswith("new: scan ImagingStudy/s09; and 3 more.")


def test_without_the_record_of_before_nothing_is_guessed() -> None:
    assert reason(None, _record(), (DAY, DAY), anew=False) == "No longer concluded."
