"""A checkpoint inhibitor meets cranial radiation: benefit, risk, and which of the two comes first, how soon.

`days_from_srs_to_ici` is positive when the drug comes after SRS, negative when it comes before.
"""

from __future__ import annotations

from collections.abc import Mapping

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View

Numbers = Mapping[str, float]


def raises_adverse_radiation_effects(f: View, k: Values) -> Term:
    return f["ici_active"] & f["modality"].is_in(k["modalities"])


def improves_control(f: View, k: Values) -> Term:
    return f["ici_active"]


def close_in_time(f: View, k: Numbers) -> Term:
    return f["days_from_srs_to_ici"].between(-k["within_days"], k["within_days"])


def works_best_with_fractions(f: View, k: Numbers) -> Term:
    return f["ici_active"] & (f["fractions"] > k["fractions_above"])


def around_cavity_in_lung_cancer(f: View, k: Values) -> Term:
    cavity = f["lesion_setting"] == "resection_cavity"
    return (f["histology"] == "nsclc") & cavity & f["ici_active"]


def with_whole_brain_is_unknown(f: View, k: Values) -> Term:
    return f["ici_active"] & f["modality"].is_in(k["modalities"])


def rationale_is_preclinical(f: View, k: Values) -> Term:
    return f["ici_active"] | f["ici_planned"]


def first_drug_within_a_half_life_after_srs(f: View, k: Numbers) -> Term:
    one_half_life = k["half_lives"] * f["ici_half_life_days"]
    return f["ici_naive"] & f["days_from_srs_to_ici"].between(k["from_days"], one_half_life)


def concurrent_by_any_definition(f: View, k: Numbers) -> Term:
    distance = abs(f["days_from_srs_to_ici"])
    return (distance <= k["within_days"]) | (distance <= k["half_lives"] * f["ici_half_life_days"])


def drug_before_srs(f: View, k: Numbers) -> Term:
    return f["days_from_srs_to_ici"] < k["before_day"]


def srs_soon_after_nivolumab(f: View, k: Values) -> Term:
    days = f["days_from_srs_to_ici"]
    within: float = k["within_days"]
    return f["histology"].is_in(k["histologies"]) & (days >= -within) & (days < 0)


def acts_for_five_half_lives(f: View, k: Numbers) -> Term:
    return k["half_lives"] * f["ici_half_life_days"]


def narrowest_definition_met(f: View, k: Numbers) -> Term:
    distance = abs(f["days_from_srs_to_ici"])
    return choose(
        (distance <= k["week_days"], "within_1_week"),
        (distance <= k["month_days"], "within_4_weeks"),
        (distance <= k["half_lives"] * f["ici_half_life_days"], "within_5_half_lives"),
        otherwise="outside",
    )


RULES = (
    Rule("DRUG-ici-srs-are-alert", raises_adverse_radiation_effects, "plan"),
    Rule("DRUG-ici-srs-benefit", improves_control),
    Rule("DRUG-ici-srs-concurrent-benefit", close_in_time, "course"),
    Rule("DRUG-ici-fsrs-synergy", works_best_with_fractions, "plan"),
    Rule("DRUG-ici-timing-halflife", first_drug_within_a_half_life_after_srs, "course"),
    Rule("DRUG-ici-wbrt-unknown", with_whole_brain_is_unknown, "plan"),
    Rule("DRUG-ici-postop-fsrs-nsclc", around_cavity_in_lung_cancer, "lesion"),
    Rule("DRUG-ici-preclinical-rationale", rationale_is_preclinical),
    Rule("TIME-ici-concurrency-definition", concurrent_by_any_definition, "course"),
    Rule("TIME-ici-after-srs-naive", first_drug_within_a_half_life_after_srs, "course"),
    Rule("TIME-ici-before-srs", drug_before_srs, "course"),
    Rule("TIME-nivolumab-14-days", srs_soon_after_nivolumab, "course"),
    Rule("SUP-ICIPK-half-life-table", acts_for_five_half_lives),
    Rule("SUP-ICIPK-window-label", narrowest_definition_met, "course"),
)
