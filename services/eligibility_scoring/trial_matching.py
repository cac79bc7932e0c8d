"""When the review names trials for a situation, and what has to be checked before any trial is spoken of."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical import logic
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def registry_never_checked(f: View, k: Values) -> Term:
    return logic.is_none(f["trial_registry_check_date"])


def trials_not_reviewed(f: View, k: Values) -> Term:
    return ~f["trial_options_reviewed"]


def tumour_type_and_number(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & f["lesion_count"].between(k["count_from"], k["count_to"])


def number_in_range(f: View, k: Values) -> Term:
    return f["lesion_count"].between(k["count_from"], k["count_to"])


def number_from(f: View, k: Values) -> Term:
    return f["lesion_count"] >= k["count_from"]


def number_above(f: View, k: Values) -> Term:
    return f["lesion_count"] > k["count_above"]


def high_velocity(f: View, k: Values) -> Term:
    return f["bm_velocity_per_year"] >= k["velocity_from"]


def cavity_of_trial_size(f: View, k: Values) -> Term:
    resected = f["lesion_diameter_cm"].between(k["diameter_cm_from"], k["diameter_cm_to"])
    return f["lesion_setting"].is_in(k["settings"]) & (
        resected | (f["cavity_diameter_cm"] <= k["cavity_cm_to"])
    )


def intact_lesion_of_trial_size(f: View, k: Values) -> Term:
    return (
        f["lesion_setting"].is_in(k["settings"])
        & f["lesion_count"].between(k["count_from"], k["count_to"])
        & f["lesion_diameter_cm"].between(k["diameter_cm_from"], k["diameter_cm_to"])
    )


def planned_radiation(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"])


def resection_can_wait(f: View, k: Values) -> Term:
    planned = f["lesion_setting"].is_in(k["settings"])
    return planned & f["lesion_surgically_accessible"] & ~f["urgent_surgery_needed"]


def checkpoint_inhibitor(f: View, k: Values) -> Term:
    return f["ici_active"] | f["ici_planned"]


def checkpoint_inhibitor_under_way(f: View, k: Values) -> Term:
    return f["ici_active"]


def egfr_lung_cancer(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & f["molecular.EGFR"].is_in(k["egfr"])


def alk_lung_cancer(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & f["molecular.ALK"].is_in(k["alk"])


def driven_lung_cancer(f: View, k: Values) -> Term:
    driver = (
        f["molecular.EGFR"].is_in(k["egfr"])
        | f["molecular.ALK"].is_in(k["alk"])
        | f["molecular.ROS1"].is_in(k["ros1"])
    )
    return f["histology"].is_in(k["histologies"]) & driver


def tumour_type_and_volume(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & (f["citv_ml"] < k["citv_ml_below"])


def braf_melanoma(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & f["molecular.BRAF_V600"].is_in(k["braf"])


def radiation_effect(f: View, k: Values) -> Term:
    return f["are_status"].is_in(k["are_statuses"])


def radiation_effect_open_to_ablation(f: View, k: Values) -> Term:
    return f["litt_feasible"] & f["are_status"].is_in(k["are_statuses"])


def on_platform(f: View, k: Values) -> Term:
    return f["platform"].is_in(k["platforms"])


def larger_stable_lesion(f: View, k: Values) -> Term:
    return f["brain_disease_stable"] & (f["largest_diameter_cm"] <= k["diameter_cm_to"])


RULES = (
    Rule("TRIAL-refresh-status", registry_never_checked),
    Rule("TRIAL-prefer-trial-when-unresolved", trials_not_reviewed),
    Rule("TRIAL-sclc-1-10", tumour_type_and_number),
    Rule("TRIAL-poly-ha-wbrt", number_in_range),
    Rule("TRIAL-poly-conventional-wbrt", number_from),
    Rule("TRIAL-velocity", high_velocity),
    Rule("TRIAL-fsrs-resected", cavity_of_trial_size, "lesion"),
    Rule("TRIAL-fsrs-intact", intact_lesion_of_trial_size, "lesion"),
    Rule("TRIAL-dose-escalation", planned_radiation, "plan"),
    Rule("TRIAL-radiosensitiser", planned_radiation, "plan"),
    Rule("TRIAL-cognition-planning", number_above),
    Rule("TRIAL-neoadjuvant", resection_can_wait, "lesion"),
    Rule("TRIAL-ici-srs", checkpoint_inhibitor),
    Rule("TRIAL-hypogryphe", checkpoint_inhibitor_under_way),
    Rule("TRIAL-egfr-upfront-srs", egfr_lung_cancer),
    Rule("TRIAL-alk-upfront-srs", alk_lung_cancer),
    Rule("TRIAL-bratr", driven_lung_cancer),
    Rule("TRIAL-usz-strike", tumour_type_and_volume),
    Rule("TRIAL-bepcome-mb", braf_melanoma),
    Rule("TRIAL-are-imaging", radiation_effect, "lesion"),
    Rule("TRIAL-are-treatment", radiation_effect_open_to_ablation, "lesion"),
    Rule("TRIAL-glutamate", planned_radiation, "plan"),
    Rule("TRIAL-mr-linac-registry", on_platform, "plan"),
    Rule("TRIAL-cns-eligibility-check", number_from),
    Rule("TRIAL-larger-lesion-entry", larger_stable_lesion),
)
