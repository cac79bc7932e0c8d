"""The open questions of the review (its Box 1), asked where they arise for a patient, a lesion or a plan."""

from __future__ import annotations

from eligibility_scoring import gaps
from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def how_far(f: View, k: Values) -> Term:
    progression = ~f["intracranial_progression_type"].is_in(k["no_progression"])
    return (f["lesion_count"] >= k["count_from"]) | progression


def dose_by_tumour_type(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


def change_during_ici(f: View, k: Values) -> Term:
    return f["tric_present"] | (f["new_or_growing_enhancement"] & f["ici_active"])


def before_or_after_resection(f: View, k: Values) -> Term:
    wanted = f["lesion_surgically_accessible"] & f["resection_or_biopsy_indicated"]
    return gaps.resection_planned(f, k) | wanted


def residual_after_neoadjuvant(f: View, k: Values) -> Term:
    return gaps.residual_disease(f, k) & gaps.resection_planned(f, k)


def limit_reached(f: View, k: Values) -> Term:
    return f["srs_radiotolerance_exhausted"] | (f["life_expectancy_months"] <= k["life_expectancy_months_to"])


RULES = (
    Rule("OQ-1", how_far),
    Rule("OQ-3", dose_by_tumour_type),
    Rule("OQ-4", gaps.under_two_centimetres, "lesion"),
    Rule("OQ-5", gaps.large_v12, "plan"),
    Rule("OQ-6", gaps.ici_given_or_planned),
    Rule("OQ-7", change_during_ici, "lesion"),
    Rule("OQ-8", gaps.cns_active_drug_exists),
    Rule("OQ-9", before_or_after_resection, "lesion"),
    Rule("OQ-10", residual_after_neoadjuvant, "lesion"),
    Rule("OQ-12", limit_reached),
)
