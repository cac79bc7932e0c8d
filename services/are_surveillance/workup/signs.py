"""What tests argue for in an irradiated lesion that changes: imaging, tissue, and the limits of both."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose, term
from isodose.clinical.rules import Rule, View


def suspected_without_tissue(f: View, _: Values) -> Term:
    return (f["are_status"] == "suspected") & (f["pathology_result"] == "not_done")


def tissue_shows_necrosis(f: View, _: Values) -> Term:
    return f["pathology_result"] == "necrosis"


def tissue_does_not_decide(f: View, k: Values) -> Term:
    return f["pathology_result"].is_in(k["results"])


def suspected(f: View, _: Values) -> Term:
    return f["are_status"] == "suspected"


def low_diffusion(f: View, _: Values) -> Term:
    return f["mri_diffusion_adc_low"]


def outlines_match(f: View, _: Values) -> Term:
    return f["t1_t2_contours_match"]


def no_symptoms(f: View, _: Values) -> Term:
    return ~f["are_symptomatic"]


def high_perfusion(f: View, _: Values) -> Term:
    return f["perfusion_rcbv_high"]


def perfusion_is_weakened(f: View, _: Values) -> Term:
    return f["perfusion_confounder"] | ~f["perfusion_baseline_available"]


def no_perfusion_baseline(f: View, _: Values) -> Term:
    return ~f["perfusion_baseline_available"]


def high_choline(f: View, _: Values) -> Term:
    return f["mrs_choline_ratio_high"]


def pattern_of_necrosis(f: View, _: Values) -> Term:
    return f["mrs_necrosis_pattern"]


def too_small_for_spectroscopy(f: View, _: Values) -> Term:
    return ~f["mrs_lesion_large_enough"]


def tracer_is_fdg(f: View, _: Values) -> Term:
    return f["pet_tracer"] == "fdg"


def tracer_is_amino_acid(f: View, k: Values) -> Term:
    return f["pet_tracer"].is_in(k["tracers"])


def no_cyclotron(f: View, _: Values) -> Term:
    return ~f["onsite_cyclotron"]


def fluciclovine_above_parotid(f: View, _: Values) -> Term:
    return (f["pet_tracer"] == "fluciclovine") & f["pet_uptake_above_parotid"]


def fluciclovine_suvmax(f: View, k: Values) -> Term:
    return (f["pet_tracer"] == "fluciclovine") & (f["pet_suvmax"] >= term(k["suvmax_from"]))


def genomic_score(f: View, _: Values) -> Term:
    return f["genomic_rt_score_available"]


def cutoffs_not_validated(f: View, _: Values) -> Term:
    return ~f["site_cutoff_validated"]


def lean_of_perfusion(f: View, k: Values) -> Term:
    ratio = f["rcbv_ratio"]
    return choose(
        (~f["site_cutoff_validated"], "unknown"),
        (ratio > term(k["recurrence_above"]), "leans_recurrence"),
        (ratio < term(k["necrosis_below"]), "leans_necrosis"),
        otherwise="grey_zone",
    )


def lean_of_fet(f: View, k: Values) -> Term:
    high = f["fet_tbr_mean"] >= term(k["tbr_mean_from"])
    low = f["fet_tbr_mean"] < term(k["tbr_mean_from"])
    return choose(
        (~f["site_cutoff_validated"], "unknown"),
        (high & (f["fet_tac_pattern"] == "decreasing"), "leans_recurrence"),
        (low & (f["fet_tac_pattern"] == "increasing"), "leans_necrosis"),
        otherwise="grey_zone",
    )


def lean_of_fdopa(f: View, k: Values) -> Term:
    return choose(
        (~f["site_cutoff_validated"], "unknown"),
        (f["fdopa_ratio"] >= term(k["ratio_from"]), "leans_recurrence"),
        otherwise="leans_necrosis",
    )


def fluciclovine_without_own_cutoff(f: View, _: Values) -> Term:
    return (f["pet_tracer"] == "fluciclovine") & ~f["site_cutoff_validated"]


def low_lesion_quotient(f: View, k: Values) -> Term:
    return f["lesion_quotient"] < term(k["quotient_below"])


RULES = (
    Rule("ARE-DX-pathology-gold-standard", suspected_without_tissue, scope="lesion"),
    Rule("ARE-DX-pathology-features", tissue_shows_necrosis, scope="lesion"),
    Rule("ARE-DX-pathology-limits", tissue_does_not_decide, scope="lesion"),
    Rule("ARE-DX-standard-mri-unreliable", suspected, scope="lesion"),
    Rule("ARE-DX-diffusion", low_diffusion, scope="imaging"),
    Rule("ARE-DX-t1-t2-match", outlines_match, scope="imaging"),
    Rule("ARE-DX-short-interval-mri", no_symptoms, scope="lesion"),
    Rule("ARE-DX-perfusion", high_perfusion, scope="imaging"),
    Rule("ARE-DX-perfusion-confounders", perfusion_is_weakened, scope="imaging"),
    Rule("ARE-DX-perfusion-baseline", no_perfusion_baseline, scope="imaging"),
    Rule("ARE-DX-mrs-recurrence", high_choline, scope="imaging"),
    Rule("ARE-DX-mrs-are", pattern_of_necrosis, scope="imaging"),
    Rule("ARE-DX-mrs-limits", too_small_for_spectroscopy, scope="imaging"),
    Rule("ARE-DX-fdg-poor", tracer_is_fdg, scope="imaging"),
    Rule("ARE-DX-amino-acid-pet", tracer_is_amino_acid, scope="imaging"),
    Rule("ARE-DX-tracer-availability", no_cyclotron),
    Rule("ARE-DX-fluciclovine-visual", fluciclovine_above_parotid, scope="imaging"),
    Rule("ARE-DX-fluciclovine-suvmax", fluciclovine_suvmax, scope="imaging"),
    Rule("ARE-DX-imaging-trials", suspected, scope="lesion"),
    Rule("ARE-DX-genomic-signature", genomic_score),
    Rule("ARE-DX-report-uncertainty", suspected, scope="lesion"),
    Rule("SUP-IMG-rule", cutoffs_not_validated),
    Rule("SUP-IMG-rcbv", lean_of_perfusion, scope="imaging"),
    Rule("SUP-IMG-fet", lean_of_fet, scope="imaging"),
    Rule("SUP-IMG-fdopa", lean_of_fdopa, scope="imaging"),
    Rule("SUP-IMG-fluciclovine", fluciclovine_without_own_cutoff, scope="imaging"),
    Rule("SUP-IMG-lesion-quotient", low_lesion_quotient, scope="imaging"),
)
