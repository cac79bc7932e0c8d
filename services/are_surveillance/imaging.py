"""What a scan asks for: a repeat when it is suspicious, one after an operation, a fresh one for planning."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose, term
from isodose.clinical.rules import Rule, View


def work_up_wanted(f: View, _: Values) -> Term:
    return f["new_or_growing_enhancement"]


def repeat_soon(f: View, _: Values) -> Term:
    return f["new_or_growing_enhancement"] & ~f["are_symptomatic"] & ~f["clinical_deterioration"]


def postoperative_scan_late(f: View, k: Values) -> Term:
    return f["postop_mri_hours"] > term(k["late_above_hours"])


def planning_scan_age(f: View, k: Values) -> Term:
    age, fast = f["days_from_planning_mri_to_srs"], f["histology"] == k["fast_histology"]
    red = age > choose((fast, k["fast_red_above_days"]), otherwise=k["other_red_above_days"])
    amber = age > choose((fast, k["fast_amber_above_days"]), otherwise=k["other_amber_above_days"])
    return choose((red, "red"), (amber, "amber"), otherwise="green")


RULES = (
    Rule("SUP-SURV-suspicious-repeat", repeat_soon, scope="lesion"),
    Rule("ARE-DX-trigger", work_up_wanted, scope="lesion"),
    Rule("SUP-SURV-postop-mri", postoperative_scan_late, scope="course"),
    Rule("SUP-PLAN-mri-age", planning_scan_age, scope="plan"),
)
