"""How often a brain MRI is wanted after radiosurgery, and when that is not met: the supplement's rules."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose, term
from isodose.clinical.rules import Rule, View


def first_scan_late(f: View, k: Values) -> Term:
    return f["followup_mri_weeks_since_srs"] > term(k["late_above_weeks"])


def interval_weeks(f: View, k: Values) -> Term:
    return interval_from(f["months_since_srs"], k)


def interval_from(months_since_srs: Term, k: Values) -> Term:
    """The longest interval to offer, in weeks."""
    early = months_since_srs < term(k["early_until_months"])
    return choose((early, k["early_weeks"]), otherwise=k["later_weeks"])


def next_scan_ordered_too_late(f: View, k: Values) -> Term:
    early = f["months_since_srs"] < term(k["early_until_months"])
    later = f["months_since_srs"] >= term(k["early_until_months"])
    planned = f["planned_mri_interval_weeks"]
    too_long_early = early & (planned > term(k["early_above_weeks"]))
    too_long_later = later & (planned > term(k["later_above_weeks"]))
    return too_long_early | too_long_later


def interval_may_be_shortened(f: View, k: Values) -> Term:
    fast_growth = f["bm_velocity_per_year"] >= term(k["velocity_at_least"])
    large_dose_volume = f["v12_incl_target_ml"] > term(k["v12_above_ml"])
    return (
        f["histology"].is_in(k["histologies"])
        | fast_growth
        | f["ici_active"]
        | f["antibody_drug_conjugate_active"]
        | f["prior_srs_same_lesion"]
        | large_dose_volume
    )


def five_years_on(f: View, k: Values) -> Term:
    return f["months_since_srs"] >= term(k["ask_from_months"])


RULES = (
    Rule("SUP-SURV-first-scan", first_scan_late, scope="course"),
    Rule("SUP-SURV-default-interval", interval_weeks, scope="lesion"),
    Rule("SUP-SURV-overdue", next_scan_ordered_too_late, scope="course"),
    Rule("SUP-SURV-shorten", interval_may_be_shortened, scope="lesion"),
    Rule("SUP-SURV-duration", five_years_on, scope="lesion"),
)
