"""Risk by dose and volume, earlier radiation, size and time, from literature beside the review."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose, some, term
from isodose.clinical.rules import Rule, View

VOLUME_OF = {3: "v20_3fx_incl_target_ml", 5: "v24_5fx_incl_target_ml"}
"""The dose volume that counts, by number of fractions."""


def band_of_v12(f: View, k: Values) -> Term:
    volume = f["v12_incl_target_ml"]
    return choose(
        (volume > term(k["most_above_ml"]), "about_20pct"),
        (volume >= term(k["more_from_ml"]), "about_15pct"),
        (volume >= term(k["from_ml"]), "about_10pct"),
        otherwise="below_10pct",
    )


def over_the_guideline_volume(f: View, k: Values) -> Term:
    return f["v12_incl_target_ml"] > term(k["v12_above_ml"])


def over_the_series_volume(f: View, k: Values) -> Term:
    return f["v12gy_ml"] > term(k["v12_above_ml"])


def large_fractionated_volume(f: View, k: Values) -> Term:
    return some(
        (f["fractions"] == row["fractions"]) & (f[VOLUME_OF[row["fractions"]]] >= term(row["from_ml"]))
        for row in k["volumes"]
        if row["fractions"] in VOLUME_OF
    )


def row_of_earlier_radiation(f: View, _: Values) -> Term:
    elsewhere = f["prior_wbrt"] | f["prior_cranial_rt_to_site"]
    return choose(
        (f["prior_srs_same_lesion"], "prior_srs_same_lesion"), (elsewhere, "prior_rt"), otherwise="srs_alone"
    )


def band_of_diameter(f: View, k: Values) -> Term:
    diameter = f["lesion_diameter_cm"]
    return choose(
        (diameter > term(k["more_above_cm"]), "about_10_to_14pct"),
        (diameter <= term(k["few_to_cm"]), "a_few_pct"),
        otherwise="between",
    )


def place_in_the_onset_period(f: View, k: Values) -> Term:
    months = f["months_since_srs"]
    return choose(
        (months < term(k["typical_from_months"]), "early_atypical"),
        (months <= term(k["typical_to_months"]), "typical_window"),
        otherwise="late",
    )


def grows_late(f: View, k: Values) -> Term:
    return f["new_or_growing_enhancement"] & (f["months_since_srs"] > term(k["after_months"]))


def high_risk_as_proposed(f: View, k: Values) -> Term:
    large_single = (f["modality"] == "single_srs") & (f["lesion_diameter_cm"] >= term(k["diameter_from_cm"]))
    return (
        (f["v12_incl_target_ml"] > term(k["v12_above_ml"]))
        | f["prior_srs_same_lesion"]
        | large_single
        | f["antibody_drug_conjugate_active"]
    )


RULES = (
    Rule("SUP-ARE-v12-hytec", band_of_v12, scope="plan"),
    Rule("SUP-ARE-v12-astro", over_the_guideline_volume, scope="plan"),
    Rule("SUP-ARE-v12-minniti", over_the_series_volume, scope="plan"),
    Rule("SUP-ARE-fsrs-volumes", large_fractionated_volume, scope="plan"),
    Rule("SUP-ARE-prior-radiation", row_of_earlier_radiation, scope="lesion"),
    Rule("SUP-ARE-size-sneed", band_of_diameter, scope="lesion"),
    Rule("SUP-ARE-onset", place_in_the_onset_period, scope="lesion"),
    Rule("SUP-ARE-biopsy-yield", grows_late, scope="lesion"),
    Rule("SUP-ARE-high-risk-flag", high_risk_as_proposed, scope="lesion"),
)
