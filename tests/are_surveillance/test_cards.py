"""What the clinic sees on opening a patient and on booking a scan, from prefetch alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest

from are_surveillance import cards, knowledge
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card

KNOWN = knowledge.load()
BASE = "https://isodose.example/fhir"
PATIENT = {"resourceType": "Patient", "id": "p"}
SRS = {
    "resourceType": "Procedure",
    "id": "srs",
    "status": "completed",
    "subject": {"reference": "Patient/p"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "429584001"}]},
    "bodySite": [{"coding": [{"system": "http://snomed.info/sct", "code": "12738006"}]}],
    "performedPeriod": {"start": "2026-01-05", "end": "2026-01-05"},
}
MRI = {
    "resourceType": "ImagingStudy",
    "id": "mri",
    "status": "available",
    "subject": {"reference": "Patient/p"},
    "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "MR"}],
    "procedureCode": [{"coding": [{"system": "http://loinc.org", "code": "24587-8"}]}],
    "started": "2026-03-20T09:00:00Z",
}


def call(on: str, *resources: dict[str, Any], hook: str = "patient-view", **more: Any) -> HookCall:
    return HookCall(
        service="are-surveillance",
        hook=hook,
        hook_instance="d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        patient_id="p",
        on=dt.date.fromisoformat(on),
        context={},
        resources=[PATIENT, *resources],
        **more,
    )


def appointment(start: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "proposed",
        "start": start,
        "participant": [{"status": "accepted", "actor": {"reference": "Patient/p"}}],
        "serviceType": [{"coding": [{"system": "http://loinc.org", "code": "24587-8"}]}],
    } | more


def test_a_due_scan_is_one_card_with_the_draft_order() -> None:
    (card,) = cards.cards(call("2026-03-05", SRS), KNOWN, BASE)
    assert card.indicator == "info"
    assert "2026-03-02 to 2026-03-30" in card.summary
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert action.type == "create"
    assert action.resource is not None
    assert action.resource["resourceType"] == "ServiceRequest"
    assert action.resource["intent"] == "proposal"
    assert action.resource["occurrencePeriod"] == {"start": "2026-03-02", "end": "2026-03-30"}
    assert card.detail is not None
    assert "awaits clinical sign-off" in card.detail


def test_an_overdue_scan_warns_and_is_proposed_from_today() -> None:
    (card,) = cards.cards(call("2026-04-07", SRS), KNOWN, BASE)
    assert card.indicator == "warning"
    assert "overdue since 2026-04-07" in card.summary
    order = card.suggestions[0].actions[0].resource
    assert order is not None
    assert order["occurrencePeriod"] == {"start": "2026-04-07", "end": "2026-04-14"}
    assert order["priority"] == "urgent"


def test_nothing_is_said_when_the_scan_was_done() -> None:
    assert cards.cards(call("2026-03-25", SRS, MRI), KNOWN, BASE) == []


def test_nothing_is_said_of_a_patient_without_radiosurgery() -> None:
    assert cards.cards(call("2026-03-25"), KNOWN, BASE) == []


def test_what_could_not_be_read_is_said() -> None:
    (card,) = cards.cards(call("2026-03-05", SRS, unavailable=("imagingStudies",)), KNOWN, BASE)
    assert card.detail is not None
    assert "imagingStudies" in card.detail


@pytest.mark.parametrize(
    ("start", "outcome"),
    [
        ("2026-03-01T10:00:00Z", "before the window opens on 2026-03-02"),
        ("2026-03-02T10:00:00Z", None),
        ("2026-03-30T23:30:00-05:00", None),
        ("2026-04-01T10:00:00Z", "within the slack"),
        ("2026-04-20T10:00:00Z", "after the window closes on 2026-03-30"),
    ],
)
def test_a_booking_is_measured_against_its_window(start: str, outcome: str | None) -> None:
    proposed = appointment(start)
    made = cards.booking_cards(
        call("2026-02-10", SRS, proposed, hook="appointment-book", appointments=[proposed]), KNOWN, BASE
    )
    if outcome is None:
        assert made == []
    else:
        assert outcome in made[0].summary
        assert made[0].indicator == ("warning" if start > "2026-04-07" else "info")


def test_a_booking_of_something_else_is_not_judged() -> None:
    proposed = appointment("2026-04-20T10:00:00Z", serviceType=[{"text": "Dietitian"}])
    made = cards.booking_cards(
        call("2026-02-10", SRS, proposed, hook="appointment-book", appointments=[proposed]), KNOWN, BASE
    )
    assert made == []


def test_an_mri_of_unstated_region_is_judged_with_a_reservation() -> None:
    proposed = appointment("2026-04-20T10:00:00Z", serviceType=[{"text": "MRI"}])
    (card,) = cards.booking_cards(
        call("2026-02-10", SRS, proposed, hook="appointment-book", appointments=[proposed]), KNOWN, BASE
    )
    assert card.summary.startswith("If this is the surveillance brain MRI")


def booked(*proposals: dict[str, Any], more: Sequence[dict[str, Any]] = ()) -> list[Card]:
    made = call("2026-02-10", SRS, *more, *proposals, hook="appointment-book", appointments=list(proposals))
    return cards.booking_cards(made, KNOWN, BASE)


def test_the_same_booking_twice_is_one_card() -> None:
    assert len(booked(appointment("2026-04-20T10:00:00Z"), appointment("2026-04-20T11:00:00Z"))) == 1


@pytest.mark.parametrize(
    ("period", "outcome"),
    [
        ({"start": "2026-02-20", "end": "2026-03-02"}, None),
        ({"start": "2026-03-30", "end": "2026-04-20"}, None),
        ({"start": "2026-03"}, None),
        (
            {"start": "2026-02-20", "end": "2026-03-01"},
            "2026-02-20 to 2026-03-01 is 1 day before the window opens",
        ),
        (
            {"start": "2026-04-10", "end": "2026-04-30"},
            "2026-04-10 to 2026-04-30 is 11 days after the window",
        ),
    ],
)
def test_a_wish_for_several_days_misses_the_window_where_none_lies_inside(
    period: dict[str, str], outcome: str | None
) -> None:
    wish = appointment("")
    del wish["start"]
    made = booked({**wish, "requestedPeriod": [period]})
    assert [outcome in card.summary for card in made if outcome] == ([True] if outcome else [])
    assert len(made) == (outcome is not None)


def test_an_implant_warns_whoever_books_an_mri() -> None:
    pacemaker = {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "441509002"}]},
        "recordedDate": "2026-01-20",
    }
    (card,) = booked(appointment("2026-03-10T10:00:00Z"), more=[pacemaker])
    assert card.indicator == "warning"
    assert card.summary.startswith("On record since 2026-01-20: cardiac pacemaker in situ.")
    assert {"patient-refuses", "patient-contraindication"}.isdisjoint(r.code for r in card.override_reasons)


def test_a_scan_is_asked_for_where_a_recurrence_would_be_treated() -> None:
    (card,) = cards.cards(call("2026-03-20", SRS), KNOWN, BASE)
    assert "It is meant for patients in whom a recurrence would be treated." in card.detail


def test_a_patient_may_decline_a_scan_that_is_due() -> None:
    (card,) = cards.cards(call("2026-03-20", SRS), KNOWN, BASE)
    assert "patient-refuses" in {reason.code for reason in card.override_reasons}


def stated(name: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name.replace("_", "-"),
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/fact", "code": name}]},
        "effectiveDateTime": "2026-03-01",
        "valueString": value,
    } | more


def test_pregnancy_stands_first_on_the_card_of_a_scan_and_warns() -> None:
    (card,) = cards.cards(call("2026-03-20", SRS, stated("pregnant", "yes")), KNOWN, BASE)
    assert card.indicator == "warning"
    assert card.detail.startswith(
        "Pregnant, or pregnancy not excluded; confirm before contrast or radiation."
    )


def test_whoever_books_a_scan_is_told_of_pregnancy() -> None:
    booked = appointment("2026-03-20T09:00:00Z")
    asked = call("2026-03-01", SRS, stated("pregnant", "unknown"), booked, hook="appointment-book")
    asked = dataclasses.replace(asked, appointments=[booked])
    (card,) = cards.booking_cards(asked, KNOWN, BASE)
    assert card.summary.startswith("Pregnant, or pregnancy not excluded")
    assert (card.indicator, card.source.topic.code) == ("warning", "SUP-SAFE-pregnancy")


def test_a_pause_is_said_instead_of_a_window() -> None:
    hospice = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "305336008"}]}],
        "period": {"start": "2026-02-01"},
    }
    (card,) = booked(appointment("2026-06-10T10:00:00Z"), more=[hospice])
    assert card.indicator == "info"
    assert card.summary.startswith("Surveillance is paused since 2026-02-01: hospice care")
