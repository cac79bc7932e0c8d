"""What a prescriber sees while ordering: few cards, only for what the drafted orders take part in."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from ici_steroid_alerts import cards, knowledge
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card, encode_cards
from isodose.fhir.validation import validate

TODAY = dt.date(2026, 11, 23)
KNOWLEDGE = knowledge.load()
BASE = "https://isodose.example/fhir"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
CODES = {
    "pembrolizumab": "1547545",
    "dexamethasone": "3264",
    "prednisone": "8640",
    "levetiracetam": "114477",
    "t_dm1": "1371041",
}
ATC_CODES = {"pembrolizumab": "L01FF02", "dexamethasone": "H02AB02", "t_dm1": "L01FD03"}
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}
Resource = dict[str, Any]


def drug(
    identity: str, name: str, mg: float | None = None, status: str = "active", system: str = RXNORM
) -> Resource:
    code = CODES[name] if system == RXNORM else ATC_CODES[name]
    order: Resource = {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": system, "code": code}], "text": name},
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-11-23" if status == "draft" else "2026-11-01",
    }
    if mg is not None:
        dose = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
        order["dosageInstruction"] = [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]},
                "doseAndRate": [{"doseQuantity": dose}],
            }
        ]
    return order


def srs(identity: str, status: str = "draft") -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": identity,
        "status": status,
        "intent": "order",
        "code": {
            "coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77371"}],
            "text": "Stereotactic radiosurgery, brain, single fraction",
        },
        "bodySite": [{"text": "Brain"}],
        "subject": {"reference": "Patient/p"},
        "occurrenceDateTime": "2026-11-27",
    }


def asked(
    drafts: list[Resource],
    known: list[Resource],
    hook: str = "order-sign",
    selected: tuple[str, ...] | None = None,
) -> list[Card]:
    names = tuple(f"{d['resourceType']}/{d['id']}" for d in drafts)
    call = HookCall(
        service="ici-steroid-sign" if hook == "order-sign" else "ici-steroid-select",
        hook=hook,
        hook_instance="6bc883b2-b795-4dcb-b661-34884a31d472",
        patient_id="p",
        on=TODAY,
        context={},
        resources=[*drafts, PATIENT, *known],
        drafts=drafts,
        selections=(names if selected is None else selected) if hook == "order-select" else (),
        worklist_url="https://isodose.example/worklist/Patient/p",
    )
    found = cards.cards(call, KNOWLEDGE, BASE)
    assert len(encode_cards(found)) > 0
    for card in found:
        assert len(card.summary) < 140
        assert card.override_reasons
        assert card.links
    return found


def codes(found: list[Card]) -> list[str]:
    return [card.source.topic.code for card in found if card.source.topic]


def test_a_steroid_for_a_patient_on_a_checkpoint_inhibitor_interrupts_at_signing() -> None:
    (card,) = asked([drug("d", "dexamethasone", 8, "draft")], [drug("k", "pembrolizumab")])
    assert codes([card]) == ["DRUG-steroid-ici-alert"]
    assert card.indicator == "critical"
    assert "53.33 mg prednisone" in card.summary
    assert "patient-refuses" not in {reason.code for reason in card.override_reasons}
    assert "Jessurun" in (card.detail or "")


def test_the_same_warns_while_selecting() -> None:
    found = asked([drug("d", "dexamethasone", 8, "draft")], [drug("k", "pembrolizumab")], "order-select")
    assert [card.indicator for card in found] == ["warning"]


def test_only_what_is_selected_counts_while_selecting() -> None:
    drafts = [drug("d", "dexamethasone", 8, "draft"), drug("l", "levetiracetam", 500, "draft")]
    known = [drug("k", "pembrolizumab")]
    assert asked(drafts, known, "order-select", ("MedicationRequest/l",)) == []
    assert asked(drafts, known, "order-select", ("MedicationRequest/d",))


@pytest.mark.parametrize("mg", [1, 5, 9.9])
def test_below_the_threshold_no_card_is_shown(mg: float) -> None:
    assert asked([drug("d", "prednisone", mg, "draft")], [drug("k", "pembrolizumab")]) == []


def test_at_the_threshold_a_card_is_shown() -> None:
    assert asked([drug("d", "prednisone", 10, "draft")], [drug("k", "pembrolizumab")])


def test_a_steroid_alone_and_an_unrelated_drug_bring_no_card() -> None:
    assert asked([drug("d", "dexamethasone", 8, "draft")], []) == []
    known = [drug("k", "pembrolizumab"), drug("s", "dexamethasone", 8)]
    assert asked([drug("l", "levetiracetam", 500, "draft")], known) == []


def test_a_checkpoint_inhibitor_drafted_for_a_patient_on_steroid_is_told() -> None:
    found = asked([drug("k", "pembrolizumab", status="draft")], [drug("s", "dexamethasone", 8)])
    assert codes(found) == ["DRUG-steroid-ici-alert"]


def test_a_steroid_without_a_computable_dose_is_told_too() -> None:
    (card,) = asked([drug("d", "dexamethasone", None, "draft")], [drug("k", "pembrolizumab")])
    assert card.indicator == "warning"
    assert "could not be computed" in card.summary


def test_a_drafted_srs_order_meets_the_active_checkpoint_inhibitor() -> None:
    found = asked([srs("r")], [drug("k", "pembrolizumab")])
    assert codes(found) == ["DRUG-ici-srs-are-alert"]
    assert found[0].indicator == "warning"
    assert "better control" in found[0].summary, "benefit and risk stand in one card"


def test_a_drafted_srs_order_meets_t_dm1_and_interrupts() -> None:
    found = asked([srs("r")], [drug("t", "t_dm1")])
    assert codes(found) == ["DRUG-tdm1-srs"]
    assert found[0].indicator == "critical"


def test_code_systems_do_not_change_the_answer() -> None:
    def answer(system: str) -> list[Card]:
        draft = drug("d", "dexamethasone", 8, "draft", system)
        return asked([draft], [drug("k", "pembrolizumab", system=system)])

    assert encode_cards(answer(RXNORM)) == encode_cards(answer(ATC))


def test_units_do_not_change_the_answer() -> None:
    milligrams, micrograms = (drug("d", "dexamethasone", 8, "draft") for _ in range(2))
    dose = micrograms["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    dose |= {"value": 8000, "unit": "ug", "code": "ug"}
    known = [drug("k", "pembrolizumab")]
    assert encode_cards(asked([milligrams], known)) == encode_cards(asked([micrograms], known))


def test_the_drafted_steroid_can_be_taken_back() -> None:
    (card,) = asked([drug("d", "dexamethasone", 8, "draft")], [drug("k", "pembrolizumab")])
    (suggestion,) = card.suggestions
    assert suggestion.actions[0].type == "delete"
    assert suggestion.actions[0].resource_id == "MedicationRequest/d"


def test_three_hundred_medication_resources_are_answered_quickly() -> None:
    known = [drug(f"k{i}", "levetiracetam", 500) for i in range(298)]
    known += [drug("k", "pembrolizumab"), drug("s", "prednisone", 5)]
    asked([drug("d", "dexamethasone", 8, "draft")], known)
    began = time.perf_counter()
    assert asked([drug("d", "dexamethasone", 8, "draft")], known)
    assert time.perf_counter() - began < 0.5


def test_a_lower_dose_that_replaces_the_order_before_it_is_what_was_asked_for() -> None:
    known = [drug("k", "pembrolizumab"), drug("s", "dexamethasone", 8)]
    lower = drug("d", "dexamethasone", 4, "draft") | {
        "priorPrescription": {"reference": "MedicationRequest/s"}
    }
    higher = drug("d", "dexamethasone", 12, "draft") | {
        "priorPrescription": {"reference": "MedicationRequest/s"}
    }
    assert codes(asked([lower], known)) == ["SUP-STER-taper"], "the end is still to be planned"
    assert codes(asked([lower, drug("l", "levetiracetam", 500, "draft")], known)) == ["SUP-STER-taper"]
    card, *_ = asked([higher], known)
    assert "80 mg prednisone" in card.summary


def test_the_order_that_is_lowered_may_name_its_drug_by_reference() -> None:
    before = drug("s", "dexamethasone", 8)
    code = before.pop("medicationCodeableConcept")
    before["medicationReference"] = {"reference": "Medication/m"}
    known = [drug("k", "pembrolizumab"), before, {"resourceType": "Medication", "id": "m", "code": code}]
    lower = drug("d", "dexamethasone", 4, "draft") | {
        "priorPrescription": {"reference": "MedicationRequest/s"}
    }
    assert codes(asked([lower], known)) == ["SUP-STER-taper"]


def test_a_stated_reason_warns_and_does_not_stop() -> None:
    draft = drug("d", "dexamethasone", 8, "draft") | {"reasonCode": [{"text": "cerebral edema"}]}
    (card,) = asked([draft], [drug("k", "pembrolizumab")])
    assert card.indicator == "warning"


def test_a_taper_drafted_in_steps_is_judged_by_its_first_step() -> None:
    def step(number: int, mg: float, days: int) -> Resource:
        dose = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
        bounds = {"value": days, "code": "d", "system": "http://unitsofmeasure.org"}
        repeat = {"frequency": 1, "period": 1, "periodUnit": "d", "boundsDuration": bounds}
        return {"sequence": number, "timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": dose}]}

    draft = drug("d", "dexamethasone", None, "draft")
    draft["dosageInstruction"] = [step(1, 6, 4), step(2, 3, 4), step(3, 1, 4)]
    (card,) = asked([draft], [drug("k", "pembrolizumab")])
    assert "40 mg prednisone" in card.summary


def test_drafts_without_an_id_are_judged_alike_whatever_stands_between() -> None:
    first, second = drug("d", "levetiracetam", 500, "draft"), drug("d", "dexamethasone", 8, "draft")
    del first["id"], second["id"]
    call = HookCall(
        service="ici-steroid-sign",
        hook="order-sign",
        hook_instance="6bc883b2-b795-4dcb-b661-34884a31d472",
        patient_id="p",
        on=TODAY,
        context={},
        resources=[PATIENT, second, drug("k", "pembrolizumab"), first],
        drafts=[first, second],
    )
    (card,) = cards.cards(call, KNOWLEDGE, BASE)
    assert "8 mg per day" in (card.detail or "")
    assert all(action.type != "delete" for one in card.suggestions for action in one.actions)


def test_a_card_begins_with_what_meets_what_and_what_to_do() -> None:
    known = [drug("k", "pembrolizumab"), drug("s", "prednisone", 5)]
    card, *_ = asked([drug("d", "dexamethasone", 8, "draft")], known)
    first, second, *_ = (card.detail or "").split("\n\n")
    assert first.splitlines() == [
        "**Meets here:**",
        "- dexamethasone: 8 mg per day from 2026-11-23 (MedicationRequest/d)",
        '- pembrolizumab: "pembrolizumab" since 2026-11-01 (MedicationRequest/k)',
        "- prednisone: 5 mg per day since 2026-11-01 (MedicationRequest/s)",
    ]
    assert second.startswith("**To consider:**")
    assert (card.detail or "").count("Albarrán") == 1, "each source once"


def test_a_card_keeps_what_speaks_against_it_apart_from_why() -> None:
    (card,) = asked([drug("d", "dexamethasone", 8, "draft")], [drug("k", "pembrolizumab")])
    parts = (card.detail or "").split("\n\n")
    assert [part.partition("**\n")[0].partition(":")[0].strip("*") for part in parts] == [
        "Meets here",
        "To consider",
        "Why",
        "Facts used",
        "Limits and other readings",
        "Mind",
        "Sources",
    ]
    assert len(parts[2]) < 600
    assert "53.33 mg/day" in parts[3]
    assert card.source.topic
    assert "53" not in card.source.topic.display, "a topic is the same for every patient"


def test_a_card_of_an_undecided_entry_says_what_the_entry_says() -> None:
    bevacizumab = drug("b", "pembrolizumab", status="draft") | {
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "253337"}]}
    }
    apixaban = drug("a", "pembrolizumab") | {
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "1364430"}]}
    }
    (card,) = asked([bevacizumab], [apixaban])
    assert "Bevacizumab can cause bleeding. Cannot be judged yet." in (card.detail or "")


def test_a_steroid_alert_never_offers_to_take_the_checkpoint_inhibitor_back() -> None:
    (card,) = asked([drug("k", "pembrolizumab", status="draft")], [drug("s", "dexamethasone", 8)])
    assert all("pembrolizumab" not in suggestion.label for suggestion in card.suggestions)


def test_a_later_cycle_of_the_drug_brings_no_card_about_radiosurgery_of_months_ago() -> None:
    def treated(days: int) -> Resource:
        return {
            "resourceType": "Procedure",
            "id": "t",
            "status": "completed",
            "code": srs("x")["code"],
            "bodySite": [{"text": "Brain"}],
            "subject": {"reference": "Patient/p"},
            "performedDateTime": (TODAY - dt.timedelta(days=days)).isoformat(),
        }

    given = drug("k0", "pembrolizumab")
    draft = drug("k", "pembrolizumab", status="draft")
    assert asked([draft], [given, treated(60)]) == []
    assert codes(asked([draft], [given, treated(20)])) == ["DRUG-ici-srs-are-alert"]


def test_an_order_that_replaces_another_goes_on_from_it() -> None:
    known = [drug("s", "dexamethasone", 4)]
    draft = drug("d", "dexamethasone", 4, "draft") | {
        "priorPrescription": {"reference": "MedicationRequest/s"}
    }
    (card,) = asked([draft], known)
    assert codes([card]) == ["SUP-STER-taper"], "22 days without a break, and no end"
    assert card.suggestions[0].label == "Draft a taper of dexamethasone over 14 days, to be given its steps"
    order = card.suggestions[0].actions[0].resource or {}
    bounds = order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]
    assert bounds == {"start": "2026-11-23", "end": "2026-12-07"}


def test_an_anticoagulant_is_never_offered_to_be_taken_back() -> None:
    bevacizumab = drug("b", "pembrolizumab") | {
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "253337"}]}
    }
    apixaban = drug("a", "pembrolizumab", status="draft") | {
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "1364430"}]}
    }
    (card,) = asked([apixaban], [bevacizumab])
    assert codes([card]) == ["DRUG-bevacizumab-bleeding"]
    assert card.suggestions == ()


def test_every_suggested_resource_is_valid_fhir() -> None:
    drafts = [drug("d", "dexamethasone", 16, "draft") | {"reasonCode": [{"text": "radiation necrosis"}]}]
    found = asked(drafts, [drug("k", "pembrolizumab"), drug("t", "t_dm1"), srs("r", "active")])
    found += asked([srs("r")], [drug("t", "t_dm1")])
    made = [a.resource for c in found for s in c.suggestions for a in s.actions if a.resource]
    assert {resource["resourceType"] for resource in made} >= {"MedicationRequest", "ServiceRequest"}
    for resource in made:
        validate(resource)
