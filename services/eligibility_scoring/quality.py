"""Quality measures: what one patient adds to the numerator of each."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def board_decision(f: View, k: Values) -> Term:
    return f["mdt_discussed"]


def cavity_in_time(f: View, k: Values) -> Term:
    return f["days_from_surgery_to_srs"] <= k["days_to"]


def cavity_within_benchmark(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"]) & cavity_in_time(f, k)


def low_v12(f: View, k: Values) -> Term:
    return f["v12gy_ml"] < k["volume_ml_below"]


def burden_recorded(f: View, k: Values) -> Term:
    return f["lesion_count"] >= k["count_from"]


def molecular_profile(f: View, k: Values) -> Term:
    return f["molecular_profile_current"]


def prescription_recorded(f: View, k: Values) -> Term:
    return f["prescription_method_recorded"]


def planning_mri_checked(f: View, k: Values) -> Term:
    return f["mri_simulation_quality_checked"]


def no_hold(f: View, k: Values) -> Term:
    return f["systemic_hold_days_for_local_therapy"] == k["hold_days"]


def steroid_beside_ici(f: View, k: Values) -> Term:
    return f["ici_active"] & (f["steroid_dexamethasone_mg_per_day"] > k["dose_mg_above"])


def change_settled(f: View, k: Values) -> Term:
    return f["are_status"].is_in(k["settled"])


def operated_or_to_be(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"])


def whole_brain(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"])


def uncertainty_discussed(f: View, k: Values) -> Term:
    return f["uncertainty_discussed_with_patient"]


def few_without_surgery(f: View, k: Values) -> Term:
    number = f["lesion_count"].between(k["count_from"], k["count_to"])
    return number & ~f["resection_or_biopsy_indicated"]


RULES = (
    Rule("QUAL-mdt-documented", board_decision),
    Rule("QUAL-cavity-srs-interval", cavity_in_time, "course"),
    Rule("SUP-QUAL-postop-interval", cavity_within_benchmark, "course"),
    Rule("QUAL-v12-recorded", low_v12, "plan"),
    Rule("QUAL-burden-recorded", burden_recorded),
    Rule("QUAL-molecular-recorded", molecular_profile),
    Rule("QUAL-plan-parameters", prescription_recorded, "plan"),
    Rule("QUAL-mri-simulation", planning_mri_checked, "plan"),
    Rule("QUAL-systemic-gap", no_hold, "course"),
    Rule("QUAL-steroid-with-ici", steroid_beside_ici),
    Rule("QUAL-imaging-change-settled", change_settled, "lesion"),
    Rule("QUAL-lmd-recorded", operated_or_to_be, "lesion"),
    Rule("QUAL-cognition-tested", whole_brain, "plan"),
    Rule("QUAL-uncertainty-consent", uncertainty_discussed),
    Rule("QUAL-oligo-srs-rate", few_without_surgery, "lesion"),
)
