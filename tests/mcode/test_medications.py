"""Drugs become exposures: what, when, how much a day, by which route, and how surely."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from isodose.clinical.record import Exposure
from isodose.mcode import build_record

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
DEXAMETHASONE = {"coding": [{"system": RXNORM, "code": "3264"}]}


def request(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": DEXAMETHASONE,
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-03-01",
        **more,
    }


def exposures(*resources: Any) -> tuple[Exposure, ...]:
    return build_record("p", resources).exposures


def only(*resources: Any) -> Exposure:
    (found,) = exposures(*resources)
    return found


def dose(value: float, unit: str, **timing: Any) -> list[dict[str, Any]]:
    return [{"timing": timing, "doseAndRate": [{"doseQuantity": {"value": value, "code": unit}}]}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dose(4, "mg", repeat={"frequency": 2, "period": 1, "periodUnit": "d"}), 8),
        (dose(4, "mg", repeat={"frequency": 1, "period": 6, "periodUnit": "h"}), 16),
        (dose(0.5, "g", repeat={"frequency": 1, "period": 1, "periodUnit": "d"}), 500),
        (dose(4, "mg", code={"coding": [{"code": "BID"}]}), 8),
        (dose(2, "{tbl}", repeat={"frequency": 2, "period": 1, "periodUnit": "d"}), None),
        (dose(4, "mg"), None),
        (dose(4, "mg", repeat={"frequency": 1, "frequencyMax": 4, "period": 1, "periodUnit": "d"}), None),
        (
            dose(8, "mg", repeat={"frequency": 1, "period": 1, "periodUnit": "d"})
            + dose(4, "mg", repeat={"frequency": 1, "period": 1, "periodUnit": "d"}),
            12,
        ),
    ],
)
def test_the_daily_dose_is_told_only_where_it_is_simple(given: list[Any], expected: float | None) -> None:
    assert only(request(dosageInstruction=given)).daily_dose_mg == expected


@pytest.mark.parametrize(
    ("medication", "route"),
    [
        ({"text": "Dexamethasone 0.1% ophthalmic suspension"}, "ophthalmic"),
        ({"text": "Hydrocortisone 1% topical cream"}, "topical"),
        ({"text": "Dexamethasone 4 mg oral tablet"}, "systemic"),
        ({"text": "Dexamethasone"}, ""),
        ({"coding": [{"system": ATC, "code": "S01BA01"}]}, "ophthalmic"),
        ({"coding": [{"system": ATC, "code": "D10AA03"}]}, "topical"),
        ({"coding": [{"system": "urn:oid:2.16.840.1.113883.6.285", "code": "C9257"}]}, "ophthalmic"),
    ],
)
def test_the_form_tells_what_is_systemic(medication: Any, route: str) -> None:
    assert only(request(medicationCodeableConcept=medication)).route == route


def test_the_route_of_the_dose_decides_where_the_ingredient_code_does_not() -> None:
    route = {"coding": [{"system": "http://snomed.info/sct", "code": "54485002"}]}
    assert only(request(dosageInstruction=[{"route": route}])).route == "ophthalmic"


def test_a_drug_given_only_as_text_is_likely_and_said() -> None:
    record = build_record("p", [request(medicationCodeableConcept={"text": "Keytruda 200 mg"})])
    (found,) = record.exposures
    assert (found.concept, found.drug_class, found.certainty) == ("pembrolizumab", "ici_pd1", "likely")
    assert [p.code for p in record.problems] == ["drug-by-name"]


@pytest.mark.parametrize(
    ("more", "status", "draft"),
    [
        ({}, "active", False),
        ({"status": "draft"}, "planned", True),
        ({"intent": "proposal"}, "planned", False),
        ({"status": "on-hold"}, "on-hold", False),
        ({"status": "stopped"}, "stopped", False),
    ],
)
def test_the_status_of_an_order(more: Any, status: str, draft: bool) -> None:
    found = only(request(**more))
    assert (found.status, found.draft) == (status, draft)


@pytest.mark.parametrize(
    "more", [{"status": "cancelled"}, {"status": "entered-in-error"}, {"doNotPerform": True}]
)
def test_what_was_withdrawn_or_forbidden_is_no_exposure(more: Any) -> None:
    assert exposures(request(**more)) == ()


def test_the_order_runs_over_the_bounds_of_its_dose() -> None:
    bounds = {"boundsPeriod": {"start": "2026-03-03", "end": "2026-03-10"}}
    found = only(request(dosageInstruction=[{"timing": {"repeat": bounds}, "asNeededBoolean": True}]))
    assert (str(found.start), str(found.end), found.as_needed) == ("2026-03-03", "2026-03-10", True)


def test_a_single_administration_is_a_day() -> None:
    given = {
        "resourceType": "MedicationAdministration",
        "id": "a1",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "1547545"}]},
        "effectiveDateTime": "2026-03-05T09:00:00-05:00",
    }
    assert only(given).given_on == (dt.date(2026, 3, 5),)
    assert exposures({**given, "status": "not-done"}) == ()


def test_a_statement_of_not_taking_is_no_exposure() -> None:
    statement = {
        "resourceType": "MedicationStatement",
        "id": "t1",
        "status": "active",
        "medicationCodeableConcept": DEXAMETHASONE,
        "effectivePeriod": {"start": "2026-02-01"},
    }
    assert (only(statement).status, str(only(statement).start)) == ("active", "2026-02-01")
    assert exposures({**statement, "status": "not-taken"}) == ()


def test_a_dispense_lasts_as_long_as_its_supply() -> None:
    dispense = {
        "resourceType": "MedicationDispense",
        "id": "d1",
        "status": "completed",
        "medicationCodeableConcept": DEXAMETHASONE,
        "whenHandedOver": "2026-03-01",
        "daysSupply": {"value": 14, "unit": "days"},
    }
    assert (str(only(dispense).start), str(only(dispense).end)) == ("2026-03-01", "2026-03-14")


@pytest.mark.parametrize("contained", [True, False])
def test_the_drug_may_be_a_medication_resource(contained: bool) -> None:
    medication = {"resourceType": "Medication", "id": "med", "code": DEXAMETHASONE}
    order = request()
    del order["medicationCodeableConcept"]
    if contained:
        order |= {"contained": [medication], "medicationReference": {"reference": "#med"}}
        assert only(order).concept == "dexamethasone"
    else:
        order["medicationReference"] = {"reference": "Medication/med"}
        assert only(order, medication).concept == "dexamethasone"


def test_any_antineoplastic_agent_counts_though_no_value_set_names_it() -> None:
    found = only(request(medicationCodeableConcept={"coding": [{"system": ATC, "code": "L01FY99"}]}))
    assert (found.drug_class, found.certainty) == ("antineoplastic", "likely")


def test_the_indication_is_a_concept_where_it_is_known() -> None:
    oedema = [{"coding": [{"system": "http://snomed.info/sct", "code": "2032001"}]}]
    assert only(request(reasonCode=oedema)).indication == "cerebral_oedema"


CHANGED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"


def changed(on: str) -> dict[str, Any]:
    return {"extension": [{"url": CHANGED, "valueDateTime": on}]}


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ({"status": "on-hold", **changed("2026-03-09T08:00:00+01:00")}, "2026-03-09"),
        ({"status": "stopped", **changed("2026-03-09")}, "2026-03-09"),
        ({"status": "stopped", **changed("2026-03")}, "2026-03-31"),
        ({"status": "on-hold"}, "None"),
        ({"status": "active", **changed("2026-03-09")}, "None"),
    ],
)
def test_a_held_or_stopped_order_ends_on_the_day_of_its_status(more: Any, end: str) -> None:
    assert str(only(request(**more)).end) == end


def test_the_bounds_of_the_dose_end_it_where_they_come_first() -> None:
    bounds = [{"timing": {"repeat": {"boundsPeriod": {"start": "2026-03-01", "end": "2026-03-05"}}}}]
    held = request(status="on-hold", dosageInstruction=bounds, **changed("2026-03-09"))
    assert str(only(held).end) == "2026-03-05"


def test_the_steps_of_a_taper_that_was_stopped_before_them_are_left_out() -> None:
    def step(number: int, mg: float) -> dict[str, Any]:
        repeat = {"frequency": 1, "period": 1, "periodUnit": "d", "boundsDuration": {"value": 4, "code": "d"}}
        given = {"doseAndRate": [{"doseQuantity": {"value": mg, "code": "mg"}}]}
        return {"sequence": number, "timing": {"repeat": repeat}, **given}

    taper = [step(1, 8), step(2, 4), step(3, 2)]
    stopped = request(status="stopped", dosageInstruction=taper, **changed("2026-03-06"))
    told = [(e.daily_dose_mg, str(e.start), str(e.end)) for e in exposures(stopped)]
    assert told == [(8, "2026-03-01", "2026-03-04"), (4, "2026-03-05", "2026-03-06")]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("MedicationRequest", {"statusReason": {"text": "SRS on Friday"}}),
        ("MedicationStatement", {"statusReason": [{"text": "SRS on Friday"}]}),
        ("MedicationAdministration", {"statusReason": [{"coding": [{"display": "SRS on Friday"}]}]}),
    ],
)
def test_why_a_drug_was_held_is_kept_in_words(kind: str, more: Any) -> None:
    held = request(resourceType=kind, status="on-hold", **more)
    assert only(held).status_reason == "SRS on Friday"
    assert only(held | {"status": "completed"}).status_reason == ""
