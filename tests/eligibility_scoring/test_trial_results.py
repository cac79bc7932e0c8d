"""What leaves the service about trials: studies the same for all, and what they mean for one patient."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from eligibility_scoring import app, outputs
from eligibility_scoring.decision import decide
from eligibility_scoring.trials import wording
from eligibility_scoring.trials.matching import STANDINGS
from eligibility_scoring.trials.operation import answer, trials_operation
from eligibility_scoring.trials.proposals import SHOWN
from eligibility_scoring.trials.studies import studies
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Fact, PatientRecord
from isodose.fhir.access import Access, Grant
from isodose.fhir.errors import FhirError
from isodose.fhir.operations import Call
from isodose.fhir.validation import validate
from isodose.mcode import build_record
from isodose.settings import Settings

BASE = "https://isodose.example/fhir"
ON = dt.date(2026, 11, 23)
SAMPLES = Path(__file__).parents[2] / "samples" / "patients"
Row = dict[str, Any]
Json = dict[str, Any]
BY_NUMBER = {study["identifier"][0]["value"]: study for study in studies(BASE)}
EGFR = {"facts": {"molecular.EGFR": "mutant"}}


@pytest.fixture
def trial_action(record_of: Callable[[Row], PatientRecord], knowledge: Knowledge) -> Callable[[Row], Json]:
    def made(row: Row) -> Json:
        record = record_of(row)
        _, found = outputs.conclude(record, decide(record, knowledge, ON), knowledge, ON, BASE)
        (group,) = (r for r in found if r["resourceType"] == "RequestGroup")
        actions: list[Json] = group["action"]
        return next(a for a in actions if a["code"][0]["coding"][0]["code"] == "clinical-trial")

    return made


@pytest.mark.parametrize("study", studies(BASE), ids=list(BY_NUMBER))
def test_every_study_is_valid_r4_and_says_how_old_its_status_is(study: Json) -> None:
    validate(study)
    get_fhir_model_class("ResearchStudy").model_validate(study)
    notes = " ".join(note["text"] for note in study["note"])
    assert "registries read on 2024-09-20" in notes
    assert wording.CHECK in notes
    assert wording.NOT_PRINTED in notes
    assert study["relatedArtifact"]
    assert [i for i in study["identifier"] if i["system"] == f"{BASE}/NamingSystem/result"]


def test_a_status_says_no_more_of_recruitment_than_the_review() -> None:
    assert BY_NUMBER["NCT02953717"]["status"] == "active"
    unpublished = BY_NUMBER["NCT03497767"]
    assert unpublished["status"] == "approved"
    assert any("nothing of recruitment" in note["text"] for note in unpublished["note"])
    assert all(study["status"] for study in BY_NUMBER.values())
    assert BY_NUMBER["NCT04588246"]["status"] == "closed-to-accrual"
    assert BY_NUMBER["NCT01703507"]["status"] == "completed"


def test_criteria_are_a_group_with_figures() -> None:
    (group,) = BY_NUMBER["NCT02953717"]["contained"]
    told = {c["code"]["coding"][0]["code"]: c for c in group["characteristic"] if "coding" in c["code"]}
    assert told["lesion_count"]["valueRange"]["low"]["value"] == 11
    assert told["citv_ml"]["valueQuantity"] == {
        "value": 30.0, "comparator": "<", "system": "http://unitsofmeasure.org", "code": "mL",
    }  # fmt: skip


def test_the_doubtful_trial_shows_both_readings() -> None:
    notes = " ".join(note["text"] for note in BY_NUMBER["NCT01592968"]["note"])
    assert "Matched to nobody" in notes
    assert "as printed: melanoma" in notes
    assert "non-melanoma" in notes


def test_the_option_points_to_the_most_relevant_trials_and_tells_how_many_there_are(
    trial_action: Callable[[Row], Json],
) -> None:
    action = trial_action(EGFR)
    assert len(action["action"]) == SHOWN
    assert f"The {SHOWN} most relevant are listed." in action["description"]
    assert "No check of the registry is on record." in action["description"]
    first = action["action"][0]
    assert first["code"][0]["coding"][0] == {"system": f"{BASE}/CodeSystem/trial-match", "code": "eligible"}
    assert first["description"].startswith("Meets every criterion that the review prints. Met: ")
    assert all(wording.CHECK in a["description"] for a in action["action"])


def test_no_trial_is_proposed_where_the_option_is_not_advised(trial_action: Callable[[Row], Json]) -> None:
    action = trial_action({"facts": {"kps": 50}})
    assert action["code"][1]["coding"][0]["code"] == "not-advised"
    assert "action" not in action
    assert "resource" in action


def named_for(sample: str, knowledge: Knowledge) -> list[str]:
    """The trials named for a sample patient."""
    bundle = json.loads((SAMPLES / f"{sample}.json").read_text(encoding="utf-8"))
    record = build_record(bundle["id"], [entry["resource"] for entry in bundle["entry"]])
    _, found = outputs.conclude(record, decide(record, knowledge, ON), knowledge, ON, BASE)
    return [r["identifier"][0]["value"] for r in found if r["resourceType"] == "ResearchStudy"]


def test_no_trial_is_proposed_while_no_lesion_waits_for_treatment(knowledge: Knowledge) -> None:
    assert named_for("13-follow-up-overdue", knowledge) == []
    assert named_for("14-cavity-fsrs-follow-up-booked", knowledge) == []


def test_where_a_trial_leads_some_are_named(knowledge: Knowledge) -> None:
    named = named_for("21-trial-after-whole-brain", knowledge)
    assert {"NCT02953717", "NCT04891471"} & set(named)


def test_what_is_missing_is_said_of_a_trial_that_may_fit(trial_action: Callable[[Row], Json]) -> None:
    said = [a["description"] for a in trial_action({**EGFR, "without": ["citv_ml"]})["action"]]
    assert any(
        "May fit." in text and "Not known: Cumulative intracranial tumour volume" in text for text in said
    )


@pytest.mark.parametrize(
    ("checked", "words", "turns"),
    [
        (None, "No check of the registry is on record.", None),
        ("2026-11-23", "Registry last checked on 2026-11-23.", "2026-12-24"),
        ("2026-10-24", "Registry last checked on 2026-10-24.", "2026-11-24"),
        ("2026-10-23", "last checked on 2026-10-23, more than 30 days ago.", None),
        ("2026-12-01", "No check of the registry is on record.", "2026-12-01"),
    ],
)
def test_an_old_check_of_the_registry_is_said_to_be_old(
    checked: str | None, words: str, turns: str | None
) -> None:
    known = (Fact(name="trial_registry_check_date", value=checked),) if checked else ()
    record = PatientRecord(patient_id="p", facts=known)
    said = wording.registry_check(record, ON)
    assert words in said
    assert (wording.CHECK in said) is not (said == words)
    assert wording.next_change(record, (), ON) == (dt.date.fromisoformat(turns) if turns else None)


def test_all_trials_are_answered_with_why_they_do_not_fit(record_of: Callable[[Row], PatientRecord]) -> None:
    asked = answer(record_of(EGFR), ON, {"excluded", "blocked"}, "v")
    validate(asked)
    counts = {p["name"]: p["valueInteger"] for p in asked["parameter"] if p["name"] in STANDINGS}
    assert sum(counts.values()) == 103
    told = {}
    for parameter in asked["parameter"]:
        if parameter["name"] == "trial":
            parts = {part["name"]: part for part in parameter["part"]}
            told[parts["id"]["valueString"]] = parts["reason"]["valueString"]
    assert len(told) == counts["excluded"] + counts["blocked"]
    assert told["NCT02953717"] == "Does not fit. Not met: number of brain metastases 11-20, on record 2."
    assert told["NCT05987644"] == "Does not fit. Not met: ALK rearranged, on record ALK negative."
    assert told["NCT04588246"] == "Not offered. Ended early: closed early for poor accrual."
    assert told["JLGK0901"].startswith("Not offered. Published")


def test_a_token_for_another_patient_learns_nothing_of_the_trials_of_this_one() -> None:
    operation = trials_operation(app.decider(Settings()))
    other = Access((Grant("*", "rs", patient="other"),))
    with pytest.raises(FhirError) as refused:
        operation.handle(None, Call(body=None, query={"patient": "p"}, access=other))
    assert refused.value.status == 403
