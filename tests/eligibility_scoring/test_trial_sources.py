"""The trials are those of the shared catalogue: every figure, list and status, and nothing beside them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from eligibility_scoring import knowledge
from eligibility_scoring.trials.catalogue import REVIEW, Criteria, Trial, catalogue
from isodose.clinical.knowledge import Knowledge

SHARED = Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[3] / "shared"))
CATALOGUE = SHARED / "clinical" / "catalogue.yaml"
IN_WORDS = {
    "inferred_histologies", "first_line", "unresected_count_max", "unresected_diameter_cm_below",
    "velocity_min", "relapse_numbers", "prior_wbrt", "symptomatic", "tki_naive", "platforms", "not_checked",
}  # fmt: skip
"""Criteria that the catalogue tells in words only (`other`, `molecular_note`)."""


def shared() -> list[dict[str, Any]]:
    if not CATALOGUE.exists():
        return []
    loaded: list[dict[str, Any]] = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["trials"]
    return loaded


def key(trial: dict[str, Any]) -> str:
    name: str = trial["nct"] or re.sub(r"[^A-Za-z0-9.]+", "-", re.sub(r"[()]", "", trial["acronym"])).strip(
        "-"
    )
    return name


TRIALS = {key(trial): trial for trial in shared()}
KNOWN = catalogue().trials


@pytest.fixture(scope="module")
def known() -> Knowledge:
    return knowledge.load()


@pytest.mark.skipif(not TRIALS, reason="the shared clinical catalogue is not here (set ISODOSE_SHARED)")
def test_the_trials_are_those_of_the_catalogue() -> None:
    assert KNOWN.keys() == TRIALS.keys()


@pytest.mark.parametrize("trial_id", TRIALS)
def test_what_is_known_of_the_trial_is_what_the_catalogue_says(trial_id: str) -> None:
    told, trial = TRIALS[trial_id], KNOWN[trial_id]
    assert trial.status == told["status_in_review"]
    assert bool(trial.status_note) == bool(told.get("status_note"))
    assert (trial.phase, trial.participants) == (told.get("phase", ""), told.get("n"))
    assert trial.where == told["where"]
    assert bool(trial.suspect) >= bool(told.get("suspect"))
    assert bool(trial.results) == bool(told.get("results"))
    cited = [(c.cite, *c.ref) for c in trial.evidence if c != REVIEW]
    assert cited == [(e["cite"], e["ref"]) for e in told.get("evidence", [])]
    population = told["population"]
    assert bool(trial.blocked) == population.get("match_blocked_until_verified", False)
    assert trial.histology_as_printed == population.get("histology_as_printed", "")
    in_words = _given(trial.criteria).keys() & IN_WORDS
    assert bool(in_words) <= bool({"other", "molecular_note"} & population.keys())


@pytest.mark.parametrize("trial_id", TRIALS)
def test_its_criteria_are_those_of_the_catalogue_or_of_the_entry_named(
    trial_id: str, known: Knowledge
) -> None:
    criteria = KNOWN[trial_id].criteria
    given = _given(criteria)
    by_entry = given.pop("by_entry", {})
    stated = {name: value for name, value in given.items() if name not in IN_WORDS | by_entry.keys()}
    assert stated == _as_here(TRIALS[trial_id]["population"])
    for field, code in by_entry.items():
        assert field in given
        assert trial_id in known.entry(code).action


def test_every_number_an_entry_names_is_a_trial_known_here(known: Knowledge) -> None:
    for code, entry in known.entries.items():
        if code.startswith("TRIAL-"):
            for number in re.findall(r"NCT\d{8}", f"{entry.action} {entry.statement}"):
                assert number in KNOWN, code


def test_what_the_entry_on_ended_trials_names_is_closed(known: Knowledge) -> None:
    named = [*re.findall(r"NCT\d{8}", known.entry("TRIAL-terminated-not-offered").action), "Dutch-4-10-trial"]
    assert {KNOWN[name].status for name in named} == {"terminated"}
    assert all(_closed(KNOWN[name]) for name in named)


def _closed(trial: Trial) -> bool:
    return bool(trial.closed)


def _given(criteria: Criteria) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(criteria))
    return made


def _as_here(population: dict[str, Any]) -> dict[str, Any]:
    """The catalogue's description in the names used here; inclusive is what a limit is unless it says not."""
    words = {"other", "molecular_note", "match_blocked_until_verified", "histology_as_printed"}
    kept = {n: v for n, v in population.items() if n not in words and not (n.endswith("_inclusive") and v)}
    if "setting" in kept:
        kept["settings"] = kept.pop("setting")
    return kept
