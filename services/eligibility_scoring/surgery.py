"""Resection and biopsy, and radiosurgery before or after them."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def resect_then_irradiate(f: View, k: Values) -> Term:
    return f["lesion_surgically_accessible"] & (f["neurological_deficit"] | f["tissue_needed"])


def tissue_for_molecular_update(f: View, k: Values) -> Term:
    return f["lesion_surgically_accessible"] & ~f["molecular_profile_current"]


def is_cavity(f: View, k: Values) -> Term:
    return f["lesion_setting"].is_in(k["settings"])


def surgery_can_wait(f: View, k: Values) -> Term:
    return f["lesion_surgically_accessible"] & ~f["urgent_surgery_needed"] & ~f["tissue_needed"]


def neoadjuvant_candidate(f: View, k: Values) -> Term:
    size = f["lesion_diameter_cm"].between(k["diameter_cm_from"], k["diameter_cm_to"])
    return surgery_can_wait(f, k) & size


RULES = (
    Rule("ELIG-surgery-then-postop-srs", resect_then_irradiate, "lesion"),
    Rule("ELIG-tissue-for-molecular-update", tissue_for_molecular_update, "lesion"),
    Rule("ELIG-postop-srs-vs-observation", is_cavity, "lesion"),
    Rule("ELIG-postop-srs-vs-wbrt", is_cavity, "lesion"),
    Rule("TIME-neoadjuvant-not-urgent", surgery_can_wait, "lesion"),
    Rule("NEOADJ-candidate-profile", neoadjuvant_candidate, "lesion"),
)
