"""The nodes of the decision pathway: Fig. 1 of the review, one function per question it asks."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def poor_status(f: View, k: Values) -> Term:
    return (
        (f["kps"] < k["kps_below"])
        | (f["ecog"] >= k["ecog_from"])
        | (f["life_expectancy_months"] <= k["life_expectancy_months_to"])
    )


def urgent_surgery(f: View, k: Values) -> Term:
    return f["urgent_surgery_needed"]


def oligometastatic(f: View, k: Values) -> Term:
    return f["lesion_count"].between(k["count_from"], k["count_to"])


def small_and_asymptomatic(f: View, k: Values) -> Term:
    small_diameter = f["largest_diameter_cm"] < k["diameter_cm_below"]
    small_volume = f["largest_volume_ml"] < k["volume_ml_below"]
    return (small_diameter | small_volume) & ~f["neuro_symptomatic"]


def systemic_first_group(f: View, k: Values) -> Term:
    driver = (
        f["molecular.EGFR"].is_in(k["egfr"])
        | f["molecular.ALK"].is_in(k["alk"])
        | f["molecular.ROS1"].is_in(k["ros1"])
        | f["molecular.RET"].is_in(k["ret"])
    )
    histology = f["histology"]
    return (
        histology.is_in(k["ici_histology"])
        | (histology.is_in(k["nsclc_histology"]) & driver)
        | (histology.is_in(k["breast_histology"]) & f["molecular.HER2"].is_in(k["her2"]))
    )


def accessible_for_resection(f: View, k: Values) -> Term:
    return (
        f["lesion_surgically_accessible"]
        & f["resection_or_biopsy_indicated"]
        & f["lesion_diameter_cm"].between(k["diameter_cm_from"], k["diameter_cm_to"])
    )


def no_surgery_indicated(f: View, k: Values) -> Term:
    return ~f["resection_or_biopsy_indicated"]


def five_to_ten(f: View, k: Values) -> Term:
    return f["lesion_count"].between(k["count_from"], k["count_to"])


def large_or_near_organ_at_risk(f: View, k: Values) -> Term:
    return f["lesion_near_oar"] | (f["lesion_diameter_cm"] > k["diameter_cm_above"])


def systemic_therapy_goes_on(f: View, k: Values) -> Term:
    return f["systemic_therapy_active"] & ~f["systemic_therapy_harming_health"]


def intracranial_progression(f: View, k: Values) -> Term:
    return ~f["intracranial_progression_type"].is_in(k["no_progression"])


RULES = (
    Rule("F1-status", poor_status),
    Rule("F1-urgent", urgent_surgery, "lesion"),
    Rule("F1-burden", oligometastatic),
    Rule("F1-size", small_and_asymptomatic),
    Rule("F1-systemic-first", systemic_first_group),
    Rule("F1-accessible", accessible_for_resection, "lesion"),
    Rule("F1-upfront-srs", no_surgery_indicated, "lesion"),
    Rule("F1-poly", five_to_ten),
    Rule("F1-fraction", large_or_near_organ_at_risk, "lesion"),
    Rule("F1-systemic", systemic_therapy_goes_on),
    Rule("F1-follow", intracranial_progression),
)
