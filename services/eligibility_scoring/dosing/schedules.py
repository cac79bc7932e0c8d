"""Fractionated radiosurgery: when it is considered, its common schedules and their trials."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def near_organ_at_risk(f: View, k: Values) -> Term:
    return f["lesion_near_oar"] | f["lesion_oar_type"].is_in(k["oar_types"])


def usual_reasons_for_fsrs(f: View, k: Values) -> Term:
    large = f["lesion_diameter_cm"] > k["diameter_cm_above"]
    return large | f["perilesional_oedema"] | f["lesion_near_oar"]


def common_schedule(f: View, k: Values) -> Term:
    few = (f["fractions"] == k["few_fractions"]) & (f["total_dose_gy"] == k["few_total_gy"])
    total = f["total_dose_gy"].between(k["five_total_gy_from"], k["five_total_gy_to"])
    return few | ((f["fractions"] == k["five_fractions"]) & total)


def this_schedule(f: View, k: Values) -> Term:
    return (f["fractions"] == k["fractions"]) & (f["total_dose_gy"] == k["total_gy"])


def compared_number_of_fractions(f: View, k: Values) -> Term:
    return f["fractions"].is_in(k["fractions"])


def favourable_for_control(f: View, k: Values) -> Term:
    small = f["lesion_diameter_cm"] < k["diameter_cm_below"]
    return small | f["lesion_setting"].is_in(k["settings"])


def low_for_intact(f: View, k: Values) -> Term:
    low = (f["fractions"] == k["fractions"]) & (f["total_dose_gy"] < k["total_gy_below"])
    return low & f["lesion_setting"].is_in(k["settings"])


def low_on_modern_platform(f: View, k: Values) -> Term:
    return (f["fractions"] == k["fractions"]) & (f["total_dose_gy"] <= k["total_gy_to"])


def several_fractions(f: View, k: Values) -> Term:
    return f["fractions"] > k["fractions_above"]


def fractionated_with_frame(f: View, k: Values) -> Term:
    return several_fractions(f, k) & f["immobilisation"].is_in(k["immobilisations"])


def fsrs_of_large(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"]) & (f["lesion_diameter_cm"] > k["diameter_cm_above"])


def cavity_trial(f: View, k: Values) -> Term:
    size = f["lesion_diameter_cm"].between(k["diameter_cm_from"], k["diameter_cm_to"])
    return f["lesion_setting"].is_in(k["settings"]) & size


def six_to_seven_fractions_trial(f: View, k: Values) -> Term:
    number = f["lesion_count"].between(k["count_from"], k["count_to"])
    return (f["cavity_diameter_cm"] <= k["cavity_diameter_cm_to"]) & number


def three_against_one_trial(f: View, k: Values) -> Term:
    number = f["lesion_count"].between(k["count_from"], k["count_to"])
    return cavity_trial(f, k) & number


RULES = (
    Rule("DOSE-fsrs-large-or-oar", near_organ_at_risk, "lesion"),
    Rule("DOSE-fsrs-practice-indications", usual_reasons_for_fsrs, "lesion"),
    Rule("DOSE-fsrs-common-schedules", common_schedule, "plan"),
    Rule("DOSE-fsrs-35in5-bed", this_schedule, "plan"),
    Rule("DOSE-fsrs-three-schedules-equal", compared_number_of_fractions, "plan"),
    Rule("DOSE-fsrs-control-predictors", favourable_for_control, "lesion"),
    Rule("DOSE-fsrs-30in5-lower-are", this_schedule, "plan"),
    Rule("DOSE-fsrs-min-30in5", low_for_intact, "lesion"),
    Rule("DOSE-fsrs-27-5in5-modern", low_on_modern_platform, "plan"),
    Rule("DOSE-platform-specific-schedule", several_fractions, "plan"),
    Rule("DOSE-mask-fractionation", fractionated_with_frame, "plan"),
    Rule("DOSE-fsrs-escalation-large", fsrs_of_large, "lesion"),
    Rule("DOSE-postop-alliance-071801", cavity_trial, "lesion"),
    Rule("DOSE-postop-saturnus", six_to_seven_fractions_trial, "lesion"),
    Rule("DOSE-nrg-bn013", three_against_one_trial, "lesion"),
)
