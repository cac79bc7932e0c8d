"""Whole-brain radiotherapy that spares the hippocampi, and memantine beside it."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def whole_brain(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"])


def meets_trial_criteria(f: View, k: Values) -> Term:
    clear = (f["hippocampal_distance_mm"] > k["distance_mm_above"]) & ~f["lmd_present"]
    return clear & (f["life_expectancy_months"] >= k["months_from"]) & (f["kps"] >= k["kps_from"])


RULES = (
    Rule("SUP-WBRT-memantine-schedule", whole_brain, "plan"),
    Rule("SUP-WBRT-ha-criteria", meets_trial_criteria),
)
