"""Glucocorticoids: with a checkpoint inhibitor, and their own dose, duration, taper and company."""

from __future__ import annotations

from collections.abc import Mapping

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View

Numbers = Mapping[str, float]


def with_checkpoint_inhibitor(f: View, k: Numbers) -> Term:
    on_or_about_to_start = f["ici_active"] | f["ici_planned"]
    return on_or_about_to_start & (f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_above"])


def around_neoadjuvant_srs(f: View, k: Numbers) -> Term:
    planned_resection = f["lesion_setting"] == "planned_resection"
    return planned_resection & (f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_above"])


def prednisone_equivalent(f: View, k: Numbers) -> Term:
    return f["steroid_dexamethasone_mg_per_day"] * k["prednisone_mg"] / k["dexamethasone_mg"]


def at_research_threshold_with_checkpoint_inhibitor(f: View, k: Numbers) -> Term:
    on_or_about_to_start = f["ici_active"] | f["ici_planned"]
    return on_or_about_to_start & (f["prednisone_equivalent_mg_per_day"] >= k["prednisone_at_least"])


def given_for_symptoms_of_the_cancer(f: View, k: Values) -> Term:
    threshold: float = k["prednisone_at_least"]
    at_threshold = f["prednisone_equivalent_mg_per_day"] >= threshold
    return f["ici_active"] & at_threshold & f["steroid_indication"].is_in(k["cancer_indications"])


def with_checkpoint_inhibitor_in_brain_metastases(f: View, k: Numbers) -> Term:
    return f["ici_active"] & (f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_above"])


def above_the_band_for_the_symptoms(f: View, k: Values) -> Term:
    dose, severity = f["steroid_dexamethasone_mg_per_day"], f["oedema_symptom_severity"]
    above_band = choose(
        (severity == "mild_moderate", dose > k["mild_moderate_above"]),
        (severity == "none", dose > k["none_above"]),
        otherwise=False,
    )
    return f["steroid_indication"].is_in(k["indications"]) & above_band


def long_enough_to_need_a_taper(f: View, k: Numbers) -> Term:
    return f["steroid_duration_days"] > k["duration_above"]


def without_pneumocystis_prophylaxis(f: View, k: Numbers) -> Term:
    dose, days = f["prednisone_equivalent_mg_per_day"], f["steroid_planned_days"]
    long = (dose >= k["long_prednisone_at_least"]) & (days >= k["long_days_at_least"])
    high = (dose > k["high_prednisone_above"]) & (days >= k["high_days_at_least"])
    return ~f["pjp_prophylaxis_active"] & (long | high)


def at_cushing_threshold(f: View, k: Numbers) -> Term:
    enough = f["steroid_dexamethasone_mg_per_day"] >= k["dexamethasone_at_least"]
    return enough & (f["steroid_duration_days"] >= k["duration_at_least"])


def without_glucose_check(f: View, k: Numbers) -> Term:
    return (f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_above"]) & ~f[
        "glucose_monitoring_active"
    ]


def without_symptoms_around_srs(f: View, k: Numbers) -> Term:
    given = f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_above"]
    return given & ~f["neuro_symptomatic"] & (f["ici_active"] | f["ici_planned"])


def symptoms_despite_steroid(f: View, k: Numbers) -> Term:
    enough = f["steroid_dexamethasone_mg_per_day"] >= k["dexamethasone_at_least"]
    return f["are_symptomatic"] & enough & (f["steroid_duration_days"] >= k["duration_at_least"])


RULES = (
    Rule("DRUG-steroid-ici-alert", with_checkpoint_inhibitor),
    Rule("SUP-STER-equivalence", prednisone_equivalent),
    Rule("SUP-STER-ici-10mg", at_research_threshold_with_checkpoint_inhibitor),
    Rule("SUP-STER-ici-indication", given_for_symptoms_of_the_cancer),
    Rule("SUP-STER-ici-brain-metastases", with_checkpoint_inhibitor_in_brain_metastases),
    Rule("SUP-STER-peri-srs", without_symptoms_around_srs),
    Rule("SUP-STER-dex-dose", above_the_band_for_the_symptoms),
    Rule("SUP-STER-taper", long_enough_to_need_a_taper),
    Rule("SUP-STER-pjp", without_pneumocystis_prophylaxis),
    Rule("SUP-STER-cushing-threshold", at_cushing_threshold),
    Rule("SUP-STER-glucose", without_glucose_check),
    Rule("SUP-STER-refractory-definition", symptoms_despite_steroid, "lesion"),
    Rule("DRUG-steroid-neoadjuvant-dose", around_neoadjuvant_srs, "lesion"),
)
