"""Number, volume and velocity of the brain metastases, and what they say for and against radiosurgery."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View


def oligo_or_polymetastatic(f: View, k: Values) -> Term:
    count = f["lesion_count"]
    return choose(
        (count.between(k["oligo_from"], k["oligo_to"]), "oligometastatic"),
        (count > k["oligo_to"], "polymetastatic"),
    )


def volume_above_prognostic_limit(f: View, k: Values) -> Term:
    return f["citv_ml"] > k["citv_ml_above"]


def volume_below_trial_limit(f: View, k: Values) -> Term:
    return f["citv_ml"] < k["citv_ml_below"]


def count_in_band(f: View, k: Values) -> Term:
    return f["lesion_count"].between(k["count_from"], k["count_to"])


def count_above(f: View, k: Values) -> Term:
    return f["lesion_count"] > k["count_above"]


def count_from(f: View, k: Values) -> Term:
    return f["lesion_count"] >= k["count_from"]


def band_without_earlier_wbrt(f: View, k: Values) -> Term:
    return count_in_band(f, k) & ~f["prior_wbrt"]


def trajectory_review(f: View, k: Values) -> Term:
    count = f["lesion_count"]
    fast = f["bm_velocity_per_year"] >= k["velocity_from"]
    return (count > k["count_above"]) | (count.between(k["band_from"], k["count_above"]) & fast)


def velocity(f: View, k: Values) -> Term:
    """New lesions per year since the first brain-directed treatment."""
    years = f["months_since_initial_treatment"] / k["months_per_year"]
    return f["new_lesions_since_initial_treatment"] / years


def fast_at_early_relapse(f: View, k: Values) -> Term:
    early = f["distant_brain_relapse_number"].is_in(k["relapse_numbers"])
    return (f["bm_velocity_per_year"] >= k["velocity_from"]) & early


RULES = (
    Rule("ELIG-class-oligo-poly", oligo_or_polymetastatic),
    Rule("ELIG-citv-over-count", volume_above_prognostic_limit),
    Rule("ELIG-citv-30-ml", volume_below_trial_limit),
    Rule("ELIG-poly-5-10-conditional", count_in_band),
    Rule("ELIG-poly-over-10", count_above),
    Rule("ELIG-poly-reasons-for-caution", count_above),
    Rule("ELIG-poly-jlgk-noninferior", band_without_earlier_wbrt),
    Rule("ELIG-poly-jlgk-long-term", count_in_band),
    Rule("ELIG-poly-trajectory-review", trajectory_review),
    Rule("ELIG-bmv-compute", velocity),
    Rule("ELIG-bmv-trial-threshold", fast_at_early_relapse),
    Rule("ELIG-evidence-limited-groups", count_from),
)
