"""Whole-brain radiotherapy: when it keeps a place, and how to spare cognition when it is given."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def keeps_a_place(f: View, k: Values) -> Term:
    return (
        (f["lesion_count"] > k["count_above"])
        | (f["bm_velocity_per_year"] >= k["velocity_from"])
        | (f["kps"] < k["kps_below"])
    )


def indicated_as_in_cyberspace(f: View, k: Values) -> Term:
    return (f["lesion_count"] > k["count_above"]) | f["lmd_present"] | f["srs_radiotolerance_exhausted"]


def not_yet_individual(f: View, k: Values) -> Term:
    return (f["lesion_count"] > k["count_above"]) & ~(f["mdt_discussed"] & f["patient_preference_recorded"])


def preference_not_recorded(f: View, k: Values) -> Term:
    return (f["lesion_count"] > k["count_above"]) & ~f["patient_preference_recorded"]


def planned_modality(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"])


def small_cell(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


def given_before(f: View, k: Values) -> Term:
    return f["prior_wbrt"]


RULES = (
    Rule("ELIG-wbrt-may-still-be-needed", keeps_a_place),
    Rule("ELIG-wbrt-indications-cyberspace", indicated_as_in_cyberspace),
    Rule("ELIG-individualise-srs-wbrt", not_yet_individual),
    Rule("ELIG-wbrt-use-ha-memantine", planned_modality, "plan"),
    Rule("ELIG-ha-wbrt-limits", planned_modality, "plan"),
    Rule("ELIG-conformal-rt-cognitive-recovery", planned_modality, "plan"),
    Rule("ELIG-sclc-wbrt-pci-neurotoxic", small_cell),
    Rule("ELIG-equipoise-counselling", preference_not_recorded),
    Rule("ELIG-wbrt-toxicity-balance", given_before),
)
