"""What leaves the service as FHIR: valid R4, in a stable place, with what is missing and its sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class

from eligibility_scoring import definitions, outputs
from eligibility_scoring import knowledge as service_knowledge
from eligibility_scoring.decision import decide
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.validation import validate

BASE = "https://isodose.example/fhir"
ON = dt.date(2026, 11, 23)
Row = dict[str, Any]
Made = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def resources(record_of: Callable[[Row], PatientRecord], knowledge: Knowledge) -> Made:
    def made(row: Row, on: dt.date = ON, **changed: Any) -> dict[str, dict[str, Any]]:
        record = msgspec.structs.replace(record_of(row), **changed)
        _, found = outputs.conclude(record, decide(record, knowledge, on), knowledge, on, BASE)
        return {resource["resourceType"]: resource for resource in found}

    return made


@pytest.mark.parametrize("row", [{}, {"without": ["kps"]}, {"facts": {"kps": 50}}, {"lesions": [{}, {}]}])
def test_every_resource_is_valid_r4(row: Row, resources: Made) -> None:
    for kind, resource in resources(row).items():
        validate(resource)
        get_fhir_model_class(kind).model_validate(resource)


def test_the_leading_option_comes_first_and_every_option_has_its_standing(
    resources: Made,
) -> None:
    made = resources({})
    assert made["GuidanceResponse"]["status"] == "success"
    actions = made["RequestGroup"]["action"]
    assert len(actions) == 14
    assert actions[0]["code"][0]["coding"][0]["code"] == "srs"
    assert actions[0]["code"][1]["coding"][0]["code"] == "standard"
    assert all(a["documentation"] for a in actions[:1])
    assert all(("resource" in a) is not ("action" in a) for a in actions)


def test_what_is_missing_is_a_data_requirement_by_fact(resources: Made) -> None:
    guidance = resources({"without": ["kps"]})["GuidanceResponse"]
    assert guidance["status"] == "data-required"
    codes = [r["codeFilter"][0]["code"][0] for r in guidance["dataRequirement"]]
    assert codes[0]["code"] == "kps"
    assert codes[0]["system"] == f"{BASE}/CodeSystem/fact"


def test_keys_stay_the_same_over_days_and_facts(resources: Made) -> None:
    def keys(row: dict[str, Any], on: dt.date) -> list[str]:
        made = resources(row, on)
        return [made[kind]["identifier"][0]["value"] for kind in ("GuidanceResponse", "RequestGroup")]

    assert keys({}, ON) == keys({"without": ["kps"]}, ON + dt.timedelta(days=30))
    assert len(set(keys({}, ON))) == 2


def test_sources_carry_their_reference_numbers(resources: Made) -> None:
    group = resources({})["RequestGroup"]
    cited = [d.get("citation", "") for a in group["action"] for d in a.get("documentation", [])]
    assert any("[3, 4, 5, 8, 12, 14, 19]" in text for text in cited)


def test_nothing_is_proposed_after_death(resources: Made) -> None:
    assert resources({}, deceased=True) == {}


def test_the_knowledge_is_valid_fhir_and_every_option_points_to_it(
    resources: Made, knowledge: Knowledge
) -> None:
    bundle = definitions.bundle(knowledge, BASE)
    validate(bundle)
    urls = set()
    for entry in bundle["entry"]:
        validate(entry["resource"])
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])
        urls.add(entry["fullUrl"])
    made = resources({})
    assert made["GuidanceResponse"]["moduleUri"] in urls
    actions = made["RequestGroup"]["action"]
    pointed_to = {a["resource"]["reference"] for a in actions if "resource" in a}
    pointed_to |= {d["resource"] for a in actions for d in a.get("documentation", []) if "resource" in d}
    assert len(pointed_to) == 14
    assert pointed_to <= urls


LUNG: Row = {
    "facts": {
        "age_years": 65,
        "nsclc_subtype": "adenocarcinoma",
        "extracranial_metastases_present": False,
        "molecular.EGFR": "mutant",
    }
}


def test_the_prognosis_is_that_of_a_group_with_its_source_and_no_promise(
    record_of: Callable[[Row], PatientRecord],
) -> None:
    knowledge = service_knowledge.load(["SUP-GPA-lung-adeno"])
    record = record_of(LUNG)
    _, made = outputs.conclude(record, decide(record, knowledge, ON), knowledge, ON, BASE)
    (risk,) = (resource for resource in made if resource["resourceType"] == "RiskAssessment")
    validate(risk)
    get_fhir_model_class("RiskAssessment").model_validate(risk)
    (prediction,) = risk["prediction"]
    assert prediction["whenRange"]["high"]["value"] == 46.8
    assert "probabilityDecimal" not in prediction
    said = " ".join(note["text"] for note in risk["note"])
    assert "no forecast for this person" in said
    assert "Sperduto, JAMA Oncol 2017" in said
    assert "source awaits clinical sign-off" in said


def test_no_prognosis_is_given_while_its_entry_is_off_or_after_earlier_treatment(
    record_of: Callable[[Row], PatientRecord], resources: Made
) -> None:
    assert "RiskAssessment" not in resources(LUNG)
    knowledge = service_knowledge.load(["SUP-GPA-lung-adeno"])
    record = record_of({"facts": {**LUNG["facts"], "prior_wbrt": True}})
    _, made = outputs.conclude(record, decide(record, knowledge, ON), knowledge, ON, BASE)
    assert all(resource["resourceType"] != "RiskAssessment" for resource in made)


def test_open_questions_stand_with_the_arguments_on_each_side(resources: Made) -> None:
    made = resources({"facts": {"lesion_count": 8}})
    for kind in ("GuidanceResponse", "RequestGroup"):
        notes = " ".join(note["text"] for note in made[kind]["note"])
        assert "Question for the board (OQ-1)" in notes
        assert "Radiosurgery, again where needed: ELIG-poly-jlgk-noninferior" in notes


def test_a_score_and_its_bound_travel_with_the_action(resources: Made) -> None:
    (first, *_) = resources({"without": ["citv_ml"]})["RequestGroup"]["action"]
    by_url = {part["url"].rpartition("/")[2]: part for part in first["extension"]}
    assert "option-score" not in by_url
    assert by_url["option-score-bound"]["valueRange"] == {"low": {"value": 95}, "high": {"value": 100}}
    assert "score 95 to 100" in first["description"]


def test_an_option_tells_its_reasons_in_words(resources: Made) -> None:
    actions = {a["title"]: a["description"] for a in resources({})["RequestGroup"]["action"]}
    said = actions["Stereotactic radiosurgery in one fraction"]
    assert said.startswith("Standard, score 98. ")
    assert "For: Oligometastatic: one to four brain metastases (F1-burden); " in said
    assert "Neither large nor close to an organ at risk: single-fraction SRS (F1-fraction)" in said
    against = actions["Best supportive care"]
    assert "Against: Performance status and life expectancy allow local therapy" in against


def test_what_is_unknown_is_said_once_as_what_would_decide(resources: Made) -> None:
    (first, *_) = resources({"without": ["kps"]})["RequestGroup"]["action"]
    assert first["description"].count("Decided once known:") == 1
    assert "ould change it: " not in first["description"]


def test_where_nothing_waits_no_radiosurgery_stands_with_a_score(resources: Made) -> None:
    made = resources({"facts": {"histology": "melanoma"}, "lesions": [{"months_since_srs": 3}]})
    stands = {a["code"][0]["coding"][0]["code"]: a["code"][1]["text"] for a in made["RequestGroup"]["action"]}
    local = (
        "srs",
        "fsrs",
        "neoadjuvant-srs-then-resection",
        "resection-then-postoperative-srs",
        "salvage-srs",
    )
    assert {stands[option] for option in local} == {"not-advised"}


def test_where_no_treatment_waits_the_guidance_is_complete_and_says_so(resources: Made) -> None:
    made = resources({"facts": {"histology": "melanoma"}, "lesions": [{"months_since_srs": 3}]})
    assert made["GuidanceResponse"]["status"] == "success"
    assert "no treatment is open" in made["GuidanceResponse"]["note"][0]["text"]
    (mark,) = made["RequestGroup"]["extension"]
    assert mark["url"].endswith("/no-treatment-waits")
    assert all("prefix" not in action for action in made["RequestGroup"]["action"])
    validate(made["RequestGroup"])
