"""When radiosurgery is given: after surgery, beside or after systemic therapy, and again."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View


def late_after_surgery(f: View, k: Values) -> Term:
    return cavity(f, k) & (f["days_from_surgery_to_srs"] > k["days_to"])


def cavity(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"])


def unchecked_planning_mri(f: View, k: Values) -> Term:
    return ~f["mri_simulation_quality_checked"]


def age_of_planning_mri(f: View, k: Values) -> Term:
    days = f["days_from_planning_mri_to_srs"]
    fast = f["histology"].is_in(k["fast_histologies"])
    red = choose((fast, k["fast_red_above_days"]), otherwise=k["other_red_above_days"])
    amber = choose((fast, k["fast_amber_above_days"]), otherwise=k["other_amber_above_days"])
    return choose((days > red, "red"), (days > amber, "amber"), otherwise="green")


def cavity_in_fractions(f: View, k: Values) -> Term:
    return cavity(f, k) & (f["fractions"] == k["fractions"])


def small_silent_melanoma(f: View, k: Values) -> Term:
    small = f["largest_diameter_cm"] < k["diameter_cm_below"]
    return f["histology"].is_in(k["histologies"]) & ~f["neuro_symptomatic"] & small


def deferral_without_board(f: View, k: Values) -> Term:
    return f["cns_active_therapy_available"] & ~f["mdt_discussed"]


def progression_on_systemic_therapy(f: View, k: Values) -> Term:
    progressed = f["intracranial_progression_type"].is_in(k["progression"])
    return f["cns_active_therapy_active"] & progressed


def radiosurgery_again(f: View, k: Values) -> Term:
    few = f["lesion_count"] <= k["count_to"]
    return few & ~f["lmd_present"] & ~f["srs_radiotolerance_exhausted"]


RULES = (
    Rule("TIME-postop-srs-1-2-weeks", late_after_surgery, "course"),
    Rule("TIME-postop-srs-over-4-weeks", late_after_surgery, "course"),
    Rule("TIME-cavity-dynamics", cavity, "lesion"),
    Rule("TIME-planning-mri", unchecked_planning_mri, "plan"),
    Rule("SUP-PLAN-mri-age", age_of_planning_mri, "plan"),
    Rule("TIME-interfraction-adaptation", cavity_in_fractions, "lesion"),
    Rule("TIME-melanoma-defer-srs", small_silent_melanoma),
    Rule("TIME-upfront-vs-deferred-local-therapy", deferral_without_board),
    Rule("TIME-srs-salvage-after-systemic", progression_on_systemic_therapy),
    Rule("TIME-new-lesion-srs", radiosurgery_again),
)
