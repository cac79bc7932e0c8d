"""Cards: short, specific, sourced; none when there is nothing to say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from eligibility_scoring import cards, review_cards
from eligibility_scoring import knowledge as service_knowledge
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card
from isodose.clinical import facts

ON = dt.date(2026, 11, 23)
BASE = "https://isodose.example/fhir"
KNOWLEDGE = service_knowledge.load()
SCENARIOS = Path(__file__).parents[1] / "scenarios" / "eligibility"
TOLD = yaml.safe_load((SCENARIOS / "usual.yaml").read_text(encoding="utf-8"))
PATIENT = {"resourceType": "Patient", "id": "p"}
LESION = {"resourceType": "BodyStructure", "id": "l1", "patient": {"reference": "Patient/p"}}


def observation(name: str, value: Any) -> dict[str, Any]:
    definition = facts.definition(name)
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": name.replace("_", "-").replace(".", "-"),
        "status": "final",
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/fact", "code": name}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-11-01",
    }
    if definition.scope == "lesion":
        made["focus"] = [{"reference": "BodyStructure/l1"}]
    match definition.type:
        case "boolean":
            made["valueBoolean"] = value
        case "integer":
            made["valueInteger"] = value
        case "number":
            made["valueQuantity"] = {
                "value": value,
                "system": "http://unitsofmeasure.org",
                "code": definition.unit,
                "unit": definition.unit,
            }
        case _:
            made["valueString"] = value
    return made


def usual(*without: str, **changed: Any) -> list[dict[str, Any]]:
    known = {**TOLD["usual_patient"], **TOLD["usual_lesion"], **changed}
    return [PATIENT, LESION, *(observation(n, v) for n, v in known.items() if n not in without)]


def call(resources: list[dict[str, Any]], *drafts: dict[str, Any], **more: Any) -> HookCall:
    return HookCall(
        service="srs-order-review" if drafts else "srs-eligibility",
        hook="order-sign" if drafts else "patient-view",
        hook_instance="h",
        patient_id="p",
        on=ON,
        context={},
        resources=[*drafts, *resources],
        drafts=drafts,
        **more,
    )


def shown(*without: str, **changed: Any) -> list[Card]:
    return cards.option_cards(call(usual(*without, **changed)), KNOWLEDGE, BASE)


def draft(text: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": "d1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "code": {"text": text},
    }


SRS = draft("Stereotactic radiosurgery of brain, single fraction, 20 Gy in 1 fraction")
WBRT = draft("Whole brain radiotherapy 30 Gy in 10 fractions")


def reviewed(order: dict[str, Any], *without: str, **changed: Any) -> dict[str, str]:
    made = review_cards.review_cards(call(usual(*without, **changed), order), KNOWLEDGE, BASE)
    return {card.source.topic.code if card.source.topic else "": card.indicator for card in made}


def test_the_leading_option_is_one_card_with_facts_dates_and_sources() -> None:
    (card,) = shown()
    assert card.summary == "Stereotactic radiosurgery in one fraction: standard"
    assert len(card.summary) < 140
    assert card.indicator == "info"
    assert card.detail is not None
    for word in (
        "2026-11-01",
        "references 3, 4, 5, 8, 12, 14, 19",
        "Strength: standard of care",
        "| option |",
    ):
        assert word in card.detail


def test_no_card_where_no_brain_metastasis_is_on_record() -> None:
    assert cards.option_cards(call([PATIENT, observation("kps", 80)]), KNOWLEDGE, BASE) == []


def test_what_is_missing_is_the_card_while_nothing_leads() -> None:
    (card,) = shown("kps")
    assert card.indicator == "warning"
    assert (
        card.summary == "No option leads yet. Enter first: Karnofsky Performance Scale score at decision time"
    )
    assert card.detail is not None
    assert "Karnofsky Performance Scale score at decision time (may settle" in card.detail
    assert "| Stereotactic radiosurgery in one fraction | standard or not-advised | 0 to 98 |" in card.detail


def test_nobody_is_asked_about_fractions_where_no_radiosurgery_is_advised() -> None:
    (advised,), (poor,) = shown(), shown(kps=40)
    assert "does FSRS help over a single fraction?" in advised.detail
    assert "does FSRS help over a single fraction?" not in poor.detail


def test_poor_status_warns() -> None:
    (card,) = shown(kps=50)
    assert card.summary.startswith("Best supportive care")
    assert card.indicator == "warning"


def test_a_prefetch_key_that_was_not_available_is_said() -> None:
    (card,) = cards.option_cards(call(usual(), unavailable=("procedures",)), KNOWLEDGE, BASE)
    assert card.detail is not None
    assert "procedures" in card.detail


def test_an_order_that_fits_brings_no_card() -> None:
    assert reviewed(SRS) == {}


def test_an_order_that_is_no_cranial_radiation_brings_no_card() -> None:
    assert reviewed(draft("Complete blood count"), kps=50) == {}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kps": 50}, "F1-status"),
        ({"lesion_near_oar": True}, "F1-fraction"),
        ({"perilesional_oedema": True, "lesion_near_oar": True}, "F1-fraction"),
        ({"lesion_count": 11}, "ELIG-poly-over-10"),
        ({"histology": "lymphoma"}, "ELIG-histology-exceptions"),
        ({"urgent_surgery_needed": True}, "F1-urgent"),
        ({"new_or_growing_enhancement": True}, "ARE-DX-trigger"),
    ],
)
def test_a_single_fraction_order_is_checked(changed: dict[str, Any], code: str) -> None:
    assert reviewed(SRS, **changed) == {code: "warning"}


def test_a_whole_brain_order_is_checked() -> None:
    few = reviewed(WBRT)
    assert few == {"ELIG-srs-over-wbrt-cognition": "warning", "ELIG-wbrt-use-ha-memantine": "warning"}
    assert reviewed(WBRT, lesion_count=12) == {"ELIG-wbrt-use-ha-memantine": "warning"}


@pytest.mark.parametrize("other", ["draft-0", "draft-1"])
def test_an_order_without_an_id_is_told_from_one_with_any_id(other: str) -> None:
    unnamed = {name: value for name, value in WBRT.items() if name != "id"}
    chest = draft("X-ray of the chest") | {"id": other}
    for drafts in ([chest, unnamed], [unnamed, chest]):
        made = review_cards.review_cards(call(usual(lesion_count=12), *drafts), KNOWLEDGE, BASE)
        codes = [card.source.topic.code for card in made if card.source.topic]
        assert codes == ["ELIG-wbrt-use-ha-memantine"]


def test_what_could_not_be_checked_is_said_last() -> None:
    made = reviewed(SRS, "kps", lesion_near_oar=True)
    assert list(made.items()) == [("F1-fraction", "warning"), ("order-unchecked", "info")]


def test_the_nearest_trials_are_named_with_what_is_not_known() -> None:
    changed = {"molecular.EGFR": "mutant"}
    (card,) = shown("citv_ml", **changed)
    _, _, trials = card.detail.partition("**Trials**")
    lines = [line for line in trials.splitlines() if line.startswith("- ")]
    assert len(lines) == 3
    page = "https://clinicaltrials.gov/study"
    assert f"([NCT05236946]({page}/NCT05236946)): all that is printed is met; ongoing in" in lines[0]
    other = f"USZ-STRIKE ([NCT05522660]({page}/NCT05522660)): may fit, not known: Cumulative"
    assert any(other in line for line in lines)
    assert "Status as of 2024-09-20." in trials
    assert "Only the criteria that the review prints were checked" in trials


def test_trials_that_ask_the_same_and_stand_alike_share_a_line() -> None:
    (card,) = shown(lesion_setting="planned_resection", lesion_surgically_accessible=True)
    _, _, trials = card.detail.partition("**Trials**")
    (line,) = (line for line in trials.splitlines() if "SRS before or after resection." in line)
    assert all(number in line for number in ("NCT03741673", "NCT03750227", "NCT04474925", "NRG-BN012"))


def test_no_trial_is_named_where_supportive_care_leads() -> None:
    (card,) = shown(kps=50)
    assert "**Trials**" not in card.detail


def test_a_card_names_the_first_fact_to_enter_and_what_it_may_settle() -> None:
    (card,) = shown("kps", "ecog", "life_expectancy_months")
    assert card.summary.startswith("No option leads yet. Enter first: ")
    assert card.detail is not None
    assert "(may settle" in card.detail
    assert "| Best supportive care | standard or not-advised | 0 to 100 |" in card.detail


def test_both_readings_of_a_doubtful_text_reach_the_card() -> None:
    (card,) = shown(kps=60)
    assert card.detail is not None
    assert "Conflicting evidence: Elsewhere the review counts poor condition" in card.detail
    assert "The platform follows Fig. 1" in card.detail


def test_where_another_option_stands_on_stronger_evidence_the_card_says_so() -> None:
    (card,) = shown(histology="melanoma", largest_diameter_cm=0.9)
    assert card.detail is not None
    assert "rests on stronger evidence (conditional, score 76). The board weighs both." in card.detail


def test_equal_standings_are_not_called_stronger_evidence() -> None:
    (card,) = shown(lesion_setting="resection_cavity", citv_ml=1)
    assert card.summary == "Resection, then postoperative SRS or FSRS: standard"
    assert "stronger evidence" not in card.detail


def test_radiosurgery_of_a_pregnant_patient_is_a_warning_that_says_why() -> None:
    (card,) = shown(pregnant="yes")
    assert card.indicator == "warning"
    against = card.detail.partition("**Against**")[2]
    assert "settle this before contrast or radiation" in against


def test_leptomeningeal_disease_stands_against_radiosurgery_on_its_card() -> None:
    (card,) = shown(lmd_present=True)
    assert card.summary == "Stereotactic radiosurgery in one fraction: standard"
    assert card.indicator == "warning"
    assert "leptomeningeal disease" in card.detail.partition("**Against**")[2].partition("**Facts")[0]


def test_while_nothing_leads_the_card_says_what_speaks_against_radiosurgery() -> None:
    (card,) = shown("brain_disease_stable", histology="lymphoma")
    assert card.detail.startswith("**Against radiosurgery**")
    assert "Lymphoma or germ-cell tumour: SRS is not the default." in card.detail


def test_a_card_puts_open_questions_with_arguments_on_each_side() -> None:
    (card,) = shown(lesion_count=8)
    assert card.detail is not None
    assert "how far should radiosurgery go? _OQ-1_" in card.detail
    assert "Radiosurgery, again where needed: JLGK0901 supports SRS here" in card.detail


def test_no_card_once_every_lesion_has_had_radiosurgery_and_none_has_changed() -> None:
    assert shown(months_since_srs=3, histology="melanoma") == []
