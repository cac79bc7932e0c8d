"""When each treatment of an adverse radiation effect comes into question, and what cautions it."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose, term
from isodose.clinical.rules import Rule, View


def symptomatic(f: View, _: Values) -> Term:
    return f["are_symptomatic"] & (f["are_status"] != "excluded")


def steroids_failed(f: View, _: Values) -> Term:
    return f["steroid_refractory"] | f["steroid_taper_failed"]


def symptomatic_under_checkpoint_inhibitor(f: View, _: Values) -> Term:
    return f["are_symptomatic"] & f["ici_active"]


def steroid_refractory(f: View, _: Values) -> Term:
    return f["steroid_refractory"]


def bevacizumab_needs_care(f: View, k: Values) -> Term:
    return f["haemorrhage_risk"] | (f["days_from_bevacizumab_to_surgery"] < term(k["days_below"]))


def colour_of_bevacizumab_and_surgery(f: View, k: Values) -> Term:
    before, after = f["days_from_bevacizumab_to_surgery"], f["days_from_surgery_to_bevacizumab"]
    red = (before < term(k["red_below"])) | (after < term(k["red_below"]))
    return choose((red, "red"), (before < term(k["amber_below"]), "amber"), otherwise="green")


def regimen_of_the_trial(f: View, _: Values) -> Term:
    return f["are_symptomatic"] & f["steroid_refractory"] & ~f["haemorrhage_risk"]


def grade_of_the_boswellia_trial(f: View, k: Values) -> Term:
    return f["are_grade"].between(k["grade_from"], k["grade_to"])


def surgery(f: View, _: Values) -> Term:
    return f["steroid_refractory"] & f["lesion_surgically_accessible"]


def laser_therapy(f: View, k: Values) -> Term:
    return f["litt_feasible"] & f["are_status"].is_in(k["states"])


def laser_feasible(f: View, _: Values) -> Term:
    return f["litt_feasible"]


def laser_spares_steroids(f: View, _: Values) -> Term:
    return f["litt_feasible"] & f["ici_active"] & (f["steroid_dexamethasone_mg_per_day"] > 0)


def laser_takes_tissue(f: View, _: Values) -> Term:
    return f["litt_feasible"] & f["tissue_needed"]


def laser_trial(f: View, _: Values) -> Term:
    return (f["are_status"] == "suspected") & f["litt_feasible"]


def observe(f: View, _: Values) -> Term:
    return ~f["are_symptomatic"] & ~f["true_progression_confirmed"]


def board_first(f: View, _: Values) -> Term:
    return (f["are_status"] == "suspected") & ~f["mdt_discussed"]


RULES = (
    Rule("ARE-MGMT-steroid-first", symptomatic, scope="lesion"),
    Rule("ARE-MGMT-steroid-failure", steroids_failed),
    Rule("ARE-MGMT-steroid-with-ici", symptomatic_under_checkpoint_inhibitor, scope="lesion"),
    Rule("ARE-MGMT-bevacizumab", steroid_refractory),
    Rule("ARE-MGMT-bevacizumab-cautions", bevacizumab_needs_care, scope="course"),
    Rule("SUP-HOLD-bevacizumab-surgery", colour_of_bevacizumab_and_surgery, scope="course"),
    Rule("SUP-MGMT-bevacizumab-regimen", regimen_of_the_trial, scope="lesion"),
    Rule("ARE-MGMT-boswellia", grade_of_the_boswellia_trial, scope="lesion"),
    Rule("ARE-MGMT-surgery", surgery, scope="lesion"),
    Rule("ARE-MGMT-litt", laser_therapy, scope="lesion"),
    Rule("ARE-MGMT-litt-oedema", laser_feasible, scope="lesion"),
    Rule("ARE-MGMT-litt-outcome", laser_feasible, scope="lesion"),
    Rule("ARE-MGMT-litt-ici", laser_spares_steroids, scope="lesion"),
    Rule("ARE-MGMT-litt-tissue", laser_takes_tissue, scope="lesion"),
    Rule("ARE-MGMT-remaster-cohorts", laser_trial, scope="lesion"),
    Rule("ARE-MGMT-asymptomatic-observe", observe, scope="lesion"),
    Rule("ARE-MGMT-decision-board", board_first, scope="lesion"),
)
