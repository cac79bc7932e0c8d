"""What other resources tell of pauses and of MRI safety: each with its source, day and doubt."""

from __future__ import annotations

from typing import Any

import pytest

from isodose.mcode import build_record

SNOMED = "http://snomed.info/sct"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
LOINC = "http://loinc.org"
MRI = {"coding": [{"system": LOINC, "code": "24590-2"}], "text": "MR brain with and without contrast"}
REFUSED = {"coding": [{"system": SNOMED, "code": "105480006"}]}
NO_MACHINE = {"coding": [{"system": SNOMED, "code": "309846006"}]}
PATIENT = {"reference": "Patient/p"}

Told = tuple[Any, ...]


def concept(code: str, system: str = SNOMED) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def told(name: str, *resources: dict[str, Any]) -> list[Told]:
    """Value, day, certainty and source of each fact of this name, in order of day."""
    found = [f for f in build_record("p", [{"id": "x", **r} for r in resources]).facts if f.name == name]
    assert all(f.reasons and not f.stated for f in found)
    return [(f.value, str(f.on or ""), f.certainty, f.source) for f in found]


def encounter(**more: Any) -> dict[str, Any]:
    usual = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "subject": PATIENT}
    return {**usual, "period": {"start": "2026-03-01"}, **more}


def episode(**more: Any) -> dict[str, Any]:
    usual = {"resourceType": "EpisodeOfCare", "id": "care", "status": "active", "patient": PATIENT}
    return {**usual, "type": [concept("385763009")], "period": {"start": "2026-03-01"}, **more}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (encounter(type=[concept("305336008")]), [("hospice", "2026-03-01", "likely", "Encounter/e")]),
        (encounter(serviceType=concept("385763009")), [("hospice", "2026-03-01", "likely", "Encounter/e")]),
        (
            encounter(type=[concept("305336008")], status="planned"),
            [("hospice", "2026-03-01", "ask", "Encounter/e")],
        ),
        (encounter(type=[concept("305336008")], status="cancelled"), []),
        (encounter(type=[concept("305336008")], status="entered-in-error"), []),
        (encounter(type=[concept("103735009")]), []),
        (
            encounter(
                status="finished",
                period={"start": "2026-03-01", "end": "2026-03-09"},
                hospitalization={"dischargeDisposition": concept("hosp", DISPOSITION)},
            ),
            [("hospice", "2026-03-09", "likely", "Encounter/e")],
        ),
        (
            encounter(
                status="finished", hospitalization={"dischargeDisposition": concept("428361000124107")}
            ),
            [("hospice", "2026-03-01", "likely", "Encounter/e")],
        ),
        (
            encounter(
                status="finished", hospitalization={"dischargeDisposition": concept("home", DISPOSITION)}
            ),
            [],
        ),
        (episode(), [("hospice", "2026-03-01", "likely", "EpisodeOfCare/care")]),
        (episode(status="waitlist"), [("hospice", "2026-03-01", "ask", "EpisodeOfCare/care")]),
        (episode(period={}), [("hospice", "", "ask", "EpisodeOfCare/care")]),
        (
            episode(status="finished", period={"start": "2026-03", "end": "2026-04"}),
            [
                ("hospice", "2026-03-01", "likely", "EpisodeOfCare/care"),
                ("none", "2026-04-30", "likely", "EpisodeOfCare/care"),
            ],
        ),
        (
            {
                "resourceType": "Procedure",
                "status": "in-progress",
                "code": concept("385765002"),
                "performedPeriod": {"start": "2026-03-02"},
            },
            [("hospice", "2026-03-02", "likely", "Procedure/x")],
        ),
        (
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "code": concept("385763009"),
                "authoredOn": "2026-03-02",
            },
            [("hospice", "2026-03-02", "ask", "ServiceRequest/x")],
        ),
        (
            {"resourceType": "Condition", "code": concept("170935008"), "recordedDate": "2026-03-02"},
            [("hospice", "2026-03-02", "likely", "Condition/x")],
        ),
    ],
)
def test_hospice_care_is_read_from_its_codes(resource: dict[str, Any], expected: list[Told]) -> None:
    assert told("surveillance_pause", resource) == expected


def test_an_episode_that_ends_while_other_hospice_care_goes_on_ends_no_pause() -> None:
    over = episode(status="finished", period={"start": "2026-03-01", "end": "2026-04-01"})
    inpatient = encounter(type=[concept("305336008")], period={"start": "2026-03-20"})
    assert [value for value, *_ in told("surveillance_pause", over, inpatient)] == ["hospice", "hospice"]
    left = encounter(type=[concept("305336008")], period={"start": "2026-03-20", "end": "2026-03-25"})
    assert [value for value, *_ in told("surveillance_pause", over, left)] == ["hospice", "hospice", "none"]


def request(**more: Any) -> dict[str, Any]:
    usual = {"resourceType": "ServiceRequest", "id": "r", "status": "revoked", "intent": "order"}
    return {**usual, "code": MRI, "authoredOn": "2026-02-01", **more}


def reason(why: dict[str, Any], name: str = "request-statusReason") -> dict[str, Any]:
    url = f"http://hl7.org/fhir/StructureDefinition/{name}"
    return {"extension": [{"url": url, "valueCodeableConcept": why}]}


def consent(**more: Any) -> dict[str, Any]:
    usual = {"resourceType": "Consent", "status": "active", "patient": PATIENT, "dateTime": "2026-02-03"}
    return {**usual, "provision": {"type": "deny", "code": [MRI]}, **more}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (request(**reason(REFUSED)), [("declined", "2026-02-01", "ask", "ServiceRequest/r")]),
        (request(**reason(NO_MACHINE)), []),
        (request(), []),
        (request(status="active", **reason(REFUSED)), []),
        (request(code=concept("71388002"), **reason(REFUSED)), []),
        (
            request(status="active", doNotPerform=True, reasonCode=[REFUSED]),
            [("declined", "2026-02-01", "likely", "ServiceRequest/r")],
        ),
        (
            request(status="completed", doNotPerform=True, **reason(REFUSED, "qicore-doNotPerformReason")),
            [("declined", "2026-02-01", "likely", "ServiceRequest/r")],
        ),
        (
            {
                "resourceType": "Procedure",
                "status": "not-done",
                "code": MRI,
                "statusReason": REFUSED,
                "performedDateTime": "2026-02-02",
            },
            [("declined", "2026-02-02", "ask", "Procedure/x")],
        ),
        (
            {"resourceType": "Procedure", "status": "not-done", "code": MRI, "statusReason": NO_MACHINE},
            [],
        ),
        (consent(), [("declined", "2026-02-03", "likely", "Consent/x")]),
        (
            consent(status="rejected", provision={"code": [MRI], "period": {"end": "2026-06-30"}}),
            [
                ("declined", "2026-02-03", "likely", "Consent/x"),
                ("none", "2026-07-01", "likely", "Consent/x"),
            ],
        ),
        (consent(provision={"type": "permit", "code": [MRI]}), []),
        (consent(provision={"type": "deny"}), []),
        (consent(status="inactive"), []),
    ],
)
def test_an_mri_that_the_patient_declined_is_read(resource: dict[str, Any], expected: list[Told]) -> None:
    assert told("surveillance_pause", resource) == expected


SCAN = {
    "resourceType": "ImagingStudy",
    "id": "s",
    "status": "available",
    "started": "2026-05-01",
    "modality": [{"code": "MR"}],
    "description": "MRI brain",
}
PACEMAKER = {"resourceType": "Condition", "code": concept("441509002"), "recordedDate": "2026-04-01"}
DEVICE = {
    "resourceType": "Device",
    "id": "d",
    "status": "active",
    "type": concept("14106009"),
    "patient": PATIENT,
}


@pytest.mark.parametrize(
    ("resources", "held", "asked"),
    [
        ([PACEMAKER], [(True, "2026-04-01", "ask", "Condition/x")], []),
        (
            [PACEMAKER, SCAN],
            [(True, "2026-04-01", "ask", "Condition/x"), (False, "2026-05-01", "ask", "Condition/x")],
            [],
        ),
        ([{**PACEMAKER, "clinicalStatus": concept("resolved", "c")}, SCAN], [], []),
        ([DEVICE], [(True, "", "ask", "Device/d")], []),
        ([DEVICE, SCAN], [], [(True, "", "ask", "Device/d")]),
        ([{**DEVICE, "status": "inactive"}], [], []),
        (
            [
                {
                    "resourceType": "AllergyIntolerance",
                    "code": concept("105879004"),
                    "patient": PATIENT,
                    "recordedDate": "2025-01-01",
                }
            ],
            [],
            [(True, "2025-01-01", "ask", "AllergyIntolerance/x")],
        ),
        (
            [
                {
                    "resourceType": "AllergyIntolerance",
                    "patient": PATIENT,
                    "recordedDate": "2025-01-01",
                    "reaction": [{"substance": concept("293637006")}],
                }
            ],
            [],
            [(True, "2025-01-01", "ask", "AllergyIntolerance/x")],
        ),
        (
            [
                {
                    "resourceType": "Procedure",
                    "status": "completed",
                    "code": concept("274024009"),
                    "performedDateTime": "2019-02-01",
                }
            ],
            [],
            [(True, "2019-02-01", "ask", "Procedure/x")],
        ),
        ([{"resourceType": "Condition", "code": concept("431857002")}], [], []),
        (
            [
                {
                    "resourceType": "AllergyIntolerance",
                    "code": concept("105879004"),
                    "patient": PATIENT,
                    "verificationStatus": concept("refuted", "v"),
                }
            ],
            [],
            [],
        ),
    ],
)
def test_what_speaks_against_mri_holds_it_back_or_is_asked(
    resources: list[dict[str, Any]], held: list[Told], asked: list[Told]
) -> None:
    assert told("mri_contraindicated", *resources) == held
    assert told("mri_check_needed", *resources) == asked
