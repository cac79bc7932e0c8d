"""One fraction or several: what speaks for fractionated radiosurgery of a target."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def near_organ_at_risk(f: View, k: Values) -> Term:
    return f["lesion_near_oar"] | f["lesion_oar_type"].is_in(k["oar_types"])


def usual_reasons_for_fsrs(f: View, k: Values) -> Term:
    large = f["lesion_diameter_cm"] > k["diameter_cm_above"]
    return large | f["perilesional_oedema"] | f["lesion_near_oar"]


RULES = (
    Rule("DOSE-fsrs-large-or-oar", near_organ_at_risk, "lesion"),
    Rule("DOSE-fsrs-practice-indications", usual_reasons_for_fsrs, "lesion"),
)
