"""SRS before resection, and what is known of the cavity after it."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View


def in_setting(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"])


def on_dexamethasone(f: View, k: Values) -> Term:
    return in_setting(f, k) & (f["steroid_dexamethasone_mg_per_day"] > k["dose_mg_above"])


def irregular_cavity(f: View, k: Values) -> Term:
    return f["cavity_margin_irregular"]


def tract_or_meninges_left_out(f: View, k: Values) -> Term:
    return ~f["tract_in_target"] | ~f["meninges_in_target"]


def phase_two_population(f: View, k: Values) -> Term:
    return f["lesion_count"].between(k["count_from"], k["count_to"]) & in_setting(f, k)


def escalation_ceiling(f: View, k: Values) -> Term:
    size = f["lesion_diameter_cm"].between(k["diameter_cm_from"], k["diameter_cm_to"])
    return choose((size, k["single_gy"]))


def residual_tumour(f: View, k: Values) -> Term:
    return f["residual_disease_postop"] | f["resection_extent"].is_in(k["extents"])


def no_tissue_needed(f: View, k: Values) -> Term:
    return ~f["tissue_needed"]


def long_interval_to_surgery(f: View, k: Values) -> Term:
    return in_setting(f, k) & (f["days_from_srs_to_surgery"] > k["days_to"])


def residual_after_neoadjuvant(f: View, k: Values) -> Term:
    left = f["resection_extent"].is_in(k["extents"]) | f["residual_disease_postop"]
    return in_setting(f, k) & left


RULES = (
    Rule("NEOADJ-key-rationale", in_setting, "lesion"),
    Rule("NEOADJ-cavity-recurrence-rate", in_setting, "lesion"),
    Rule("NEOADJ-lmd-after-surgery", in_setting, "lesion"),
    Rule("NEOADJ-mechanisms", in_setting, "lesion"),
    Rule("NEOADJ-lmd-patel", in_setting, "lesion"),
    Rule("NEOADJ-lmd-fsrs-cavity-vs-intact", in_setting, "lesion"),
    Rule("NEOADJ-props-bm", in_setting, "lesion"),
    Rule("NEOADJ-props-earlier-report", in_setting, "lesion"),
    Rule("NEOADJ-dex-immune", on_dexamethasone, "lesion"),
    Rule("NEOADJ-contouring-postop-hard", irregular_cavity, "lesion"),
    Rule("NEOADJ-tract-meninges-missed", tract_or_meninges_left_out, "plan"),
    Rule("NEOADJ-dosimetry", in_setting, "lesion"),
    Rule("NEOADJ-phase2-outcomes", phase_two_population, "lesion"),
    Rule("NEOADJ-dose-escalation-mtd", escalation_ceiling, "lesion"),
    Rule("NEOADJ-no-dose-recommendation", in_setting, "lesion"),
    Rule("NEOADJ-residual-disease-dilemma", residual_tumour, "lesion"),
    Rule("NEOADJ-no-pathology", no_tissue_needed, "lesion"),
    Rule("NEOADJ-logistics", in_setting, "lesion"),
    Rule("NEOADJ-size-and-interval-undefined", in_setting, "lesion"),
    Rule("NEOADJ-ongoing-trials", in_setting, "lesion"),
    Rule("SUP-NEO-interval", long_interval_to_surgery, "course"),
    Rule("SUP-NEO-subtotal", residual_after_neoadjuvant, "lesion"),
)
