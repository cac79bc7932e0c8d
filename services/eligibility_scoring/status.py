"""Performance status, prognosis, and what a board asks before it looks at options."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def not_discussed_at_board(f: View, k: Values) -> Term:
    return ~f["mdt_discussed"]


def poor_condition_or_prognosis(f: View, k: Values) -> Term:
    return (
        (f["kps"] < k["kps_below"])
        | (f["ecog"] >= k["ecog_from"])
        | (f["life_expectancy_months"] <= k["life_expectancy_months_to"])
    )


def decline_from_outside_the_brain(f: View, k: Values) -> Term:
    return f["functional_decline_cause"].is_in(k["causes"])


def earlier_chemotherapy(f: View, k: Values) -> Term:
    return f["prior_chemo_lines"] >= k["chemo_lines_from"]


def limits_of_local_therapy(f: View, k: Values) -> Term:
    return f["srs_radiotolerance_exhausted"] | (f["life_expectancy_months"] <= k["life_expectancy_months_to"])


def histology_or_profile_missing(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["undetermined"]) | ~f["molecular_profile_current"]


def outside_the_pooled_trials(f: View, k: Values) -> Term:
    return ~f["histology"].is_in(k["well_represented"])


RULES = (
    Rule("ELIG-mdt-first", not_discussed_at_board),
    Rule("ELIG-bsc-poor-status", poor_condition_or_prognosis),
    Rule("ELIG-functional-decline-extracranial", decline_from_outside_the_brain),
    Rule("ELIG-preexisting-cognitive-confounders", earlier_chemotherapy),
    Rule("ELIG-limits-of-srs", limits_of_local_therapy),
    Rule("ELIG-histology-molecular-first", histology_or_profile_missing),
    Rule("ELIG-all-comers-caution", outside_the_pooled_trials),
)
