"""What the review leaves open, and for which patient, lesion or plan it matters."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def under_two_centimetres(f: View, k: Values) -> Term:
    return f["lesion_diameter_cm"] < k["diameter_cm_below"]


def large_v12(f: View, k: Values) -> Term:
    return f["v12gy_ml"] >= k["v12_ml_from"]


def ici_given_or_planned(f: View, k: Values) -> Term:
    return f["ici_planned"] | f["ici_active"]


def treatment_related_change(f: View, k: Values) -> Term:
    return f["tric_present"]


def cns_active_drug_exists(f: View, k: Values) -> Term:
    return f["cns_active_therapy_available"]


def resection_planned(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"])


def residual_disease(f: View, k: Values) -> Term:
    return f["residual_disease_postop"]


def volume_above_prognostic_mark(f: View, k: Values) -> Term:
    return f["citv_ml"] > k["citv_ml_above"]


def several_fractions(f: View, k: Values) -> Term:
    return f["fractions"] > k["fractions_above"]


def steroid_with_ici(f: View, k: Values) -> Term:
    return f["ici_active"] & (f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_mg_above"])


def drug_without_hold_interval(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_active"] | f["tki_active"] | f["braf_inhibitor_active"]


def poor_condition_or_prognosis(f: View, k: Values) -> Term:
    return (f["kps"] < k["kps_below"]) | (f["life_expectancy_months"] <= k["life_expectancy_months_to"])


def small_cell(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


RULES = (
    Rule("GAP-fsrs-under-2cm", under_two_centimetres, "lesion"),
    Rule("GAP-hypofractionation-for-are", large_v12, "plan"),
    Rule("GAP-ici-sequence", ici_given_or_planned),
    Rule("GAP-tric-vs-are", treatment_related_change, "lesion"),
    Rule("GAP-targeted-combination", cns_active_drug_exists),
    Rule("GAP-neoadjuvant-selection-dose", resection_planned, "lesion"),
    Rule("GAP-residual-after-neoadjuvant", residual_disease, "lesion"),
    Rule("GAP-citv-threshold", volume_above_prognostic_mark),
    Rule("GAP-fsrs-schedule", several_fractions, "plan"),
    Rule("GAP-steroid-dose-limit", steroid_with_ici),
    Rule("GAP-drug-hold-interval", drug_without_hold_interval),
    Rule("GAP-wbrt-vs-bsc", poor_condition_or_prognosis),
    Rule("GAP-limited-sclc-definition", small_cell),
)
