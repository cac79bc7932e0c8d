"""Platform, prescription, margin and imaging of a plan."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def maximum_dose(f: View, k: Values) -> Term:
    return f["margin_dose_gy"] / (f["prescription_isodose_pct"] / k["per_cent"])


def platform(f: View, k: Values) -> Term:
    return f["platform"].is_in(k["platforms"])


def wide_margin(f: View, k: Values) -> Term:
    return (f["ptv_margin_mm"] > k["margin_mm_above"]) & f["lesion_setting"].is_in(k["settings"])


def small_target(f: View, k: Values) -> Term:
    return (f["lesion_diameter_cm"] < k["diameter_cm_below"]) & platform(f, k)


def many_metastases(f: View, k: Values) -> Term:
    return f["lesion_count"] > k["count_above"]


def tract_sparing(f: View, k: Values) -> Term:
    return many_metastases(f, k) & f["tractography_available"]


def genomic_score(f: View, k: Values) -> Term:
    return f["genomic_rt_score_available"]


def on_systemic_therapy_of_the_brain(f: View, k: Values) -> Term:
    return f["ici_active"] | f["cns_active_therapy_active"]


def unchecked_imaging(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"]) & ~f["mri_simulation_quality_checked"]


RULES = (
    Rule("DOSE-gk-isodose", maximum_dose, "plan"),
    Rule("DOSE-linac-sib", platform, "plan"),
    Rule("DOSE-ptv-margin", wide_margin, "lesion"),
    Rule("DOSE-small-target-linac", small_target, "lesion"),
    Rule("DOSE-vmat-multiple-lesions", many_metastases),
    Rule("DOSE-gk-source-time", platform, "plan"),
    Rule("DOSE-connectomics", tract_sparing, "plan"),
    Rule("DOSE-genomic-not-ready", genomic_score),
    Rule("DOSE-pulsar-and-reduced-dose", on_systemic_therapy_of_the_brain),
    Rule("DOSE-gtv-imaging", unchecked_imaging, "lesion"),
)
