"""Progression in the brain after treatment: where it leads, and what comes before treating again."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def progression_of_type(f: View, k: Values) -> Term:
    return f["intracranial_progression_type"].is_in(k["types"])


def salvage_possible(f: View, k: Values) -> Term:
    progression = ~f["intracranial_progression_type"].is_in(k["no_progression"])
    return progression & ~f["srs_radiotolerance_exhausted"]


def imaging_change_after_radiosurgery(f: View, k: Values) -> Term:
    return f["new_or_growing_enhancement"]


RULES = (
    Rule("ELIG-local-progression-workup", progression_of_type),
    Rule("ELIG-distant-progression-board", progression_of_type),
    Rule("ELIG-salvage-srs", salvage_possible),
    Rule("ARE-DX-trigger", imaging_change_after_radiosurgery, "lesion"),
)
