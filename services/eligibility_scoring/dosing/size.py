"""How much dose a target of a size is given: by diameter, by volume, and how schemes compare."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View

SINGLE_SMALL = "single_20_24"
SINGLE_OR_FEW = "single_18_or_27in3_or_30in5"
FEW_OR_LOW_SINGLE = "27in3_or_30in5_or_single_up_to_15"
SURGERY_FIRST = "surgery_else_multifraction"
DISCOURAGED = "srs_discouraged"


def ceiling_by_diameter(f: View, k: Values) -> Term:
    diameter = f["lesion_diameter_cm"]
    return choose(
        (diameter < k["small_below_cm"], k["small_gy"]),
        (diameter <= k["medium_to_cm"], k["medium_gy"]),
        (diameter <= k["large_to_cm"], k["large_gy"]),
    )


def never_irradiated(f: View, k: Values) -> Term:
    return ~f["prior_wbrt"] & ~f["prior_cranial_rt_to_site"]


def first_line_single_fraction(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"]) & ~f["prior_wbrt"]


def dose_by_volume(f: View, k: Values) -> Term:
    return by_volume(f["lesion_volume_ml"], k)


def by_volume(volume: Term, k: Values) -> Term:
    """The single-fraction dose in Gy for a target of this volume in mL."""
    return choose(
        (volume < k["small_below_ml"], k["small_gy"]),
        (volume <= k["medium_to_ml"], k["medium_gy"]),
        otherwise=k["large_gy"],
    )


def guideline_band(f: View, k: Values) -> Term:
    diameter = f["lesion_diameter_cm"]
    return choose(
        (diameter < k["small_below_cm"], SINGLE_SMALL),
        (diameter < k["medium_below_cm"], SINGLE_OR_FEW),
        (diameter <= k["large_to_cm"], FEW_OR_LOW_SINGLE),
        (diameter <= k["very_large_to_cm"], SURGERY_FIRST),
        otherwise=DISCOURAGED,
    )


def volume_with_fewer_effects(f: View, k: Values) -> Term:
    return f["lesion_volume_ml"].between(k["volume_ml_from"], k["volume_ml_to"])


def above_diameter(f: View, k: Values) -> Term:
    return f["lesion_diameter_cm"] > k["diameter_cm_above"]


def below_diameter(f: View, k: Values) -> Term:
    return f["lesion_diameter_cm"] < k["diameter_cm_below"]


RULES = (
    Rule("DOSE-rtog9005-single-fraction", ceiling_by_diameter, "lesion"),
    Rule("DOSE-rtog9005-applicability", never_irradiated, "lesion"),
    Rule("DOSE-escalation-frontline-trials", first_line_single_fraction, "plan"),
    Rule("DOSE-volume-deescalation", dose_by_volume, "lesion"),
    Rule("SUP-DOSE-astro-size-bands", guideline_band, "lesion"),
    Rule("DOSE-meta-lehrer", volume_with_fewer_effects, "lesion"),
    Rule("DOSE-meta-lee", above_diameter, "lesion"),
    Rule("DOSE-meta-range", above_diameter, "lesion"),
    Rule("DOSE-fsrs-under-2cm-unclear", below_diameter, "lesion"),
)
