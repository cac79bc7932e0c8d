"""The context of a change: under a checkpoint inhibitor, after a cavity, by the response criteria."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose, term
from isodose.clinical.rules import Rule, View


def change_under_checkpoint_inhibitor(f: View, _: Values) -> Term:
    harmless = ~f["true_progression_confirmed"] & ~f["are_symptomatic"]
    return f["tric_present"] & f["ici_active"] & harmless


def change_without_symptoms(f: View, _: Values) -> Term:
    return f["tric_present"] & ~f["are_symptomatic"]


def progression_on_a_drug_that_acts_in_the_brain(f: View, _: Values) -> Term:
    return (f["intracranial_progression_type"] != "none") & f["cns_active_therapy_active"]


def tissue_renews_the_profile(f: View, _: Values) -> Term:
    return f["tissue_needed"] & ~f["molecular_profile_current"]


def cavity(f: View, _: Values) -> Term:
    return f["lesion_setting"] == "resection_cavity"


def small_cell_after_radiosurgery(f: View, k: Values) -> Term:
    return (f["histology"] == "sclc") & f["modality"].is_in(k["modalities"])


def measurable(f: View, k: Values) -> Term:
    long_enough = f["longest_diameter_mm"] >= term(k["longest_from_mm"])
    return long_enough & (f["perpendicular_diameter_mm"] >= term(k["perpendicular_from_mm"]))


def response(f: View, k: Values) -> Term:
    now, lowest = f["sum_ld_mm"], f["nadir_sum_ld_mm"]
    grown = (now >= term(k["growth_ratio"]) * lowest) & (
        f["max_single_ld_increase_mm"] >= term(k["growth_from_mm"])
    )
    worse = (
        ((lowest > 0) & grown)
        | (f["nontarget_status"] == "unequivocal_progression")
        | (f["new_lesion_confirmed"] & ~f["immunotherapy_based"])
        | (f["clinical_status_change"] == "worse")
    )
    nothing_new = ~f["new_lesion_confirmed"]
    gone = (now == 0) & (f["nontarget_status"] == "none") & nothing_new & (f["steroid_change"] == "none")
    shrunk = now <= term(k["shrunk_ratio"]) * f["baseline_sum_ld_mm"]
    partial: Term = shrunk & nothing_new & f["steroid_change"].is_in(k["steroid_not_raised"])
    return choose((worse, "PD"), (gone, "CR"), (partial, "PR"), otherwise="SD")


def progression_to_be_confirmed(f: View, k: Values) -> Term:
    early = f["weeks_from_ici_start"] <= term(k["weeks_to"])
    return f["immunotherapy_based"] & early & ~f["clinical_deterioration"]


def grade_contradicts_symptoms(f: View, k: Values) -> Term:
    contradicts: Term = f["are_grade"] == k["grade_without_symptoms"]
    return f["are_symptomatic"] & contradicts


def gadolinium_must_not_be_given(f: View, k: Values) -> Term:
    kidney = (f["egfr_ml_min_1_73"] < term(k["egfr_below"])) | f["acute_kidney_injury"]
    return (f["gbca_group"] == "I") & kidney


def pregnancy_to_be_confirmed(f: View, k: Values) -> Term:
    return f["pregnant"].is_in(k["stop"])


def mri_cannot_be_done(f: View, _: Values) -> Term:
    return f["mri_contraindicated"]


RULES = (
    Rule("ARE-DX-tric-not-automatic-harm", change_under_checkpoint_inhibitor, scope="lesion"),
    Rule("ARE-DX-early-change-observe", change_without_symptoms, scope="lesion"),
    Rule("ARE-DX-salvage-context", progression_on_a_drug_that_acts_in_the_brain),
    Rule("ARE-DX-biopsy-molecular", tissue_renews_the_profile, scope="lesion"),
    Rule("ARE-DX-surveillance-cavity-lmd", cavity, scope="lesion"),
    Rule("ARE-DX-sclc-surveillance", small_cell_after_radiosurgery, scope="plan"),
    Rule("SUP-RESP-measurable", measurable, scope="lesion"),
    Rule("SUP-RESP-rano-bm", response),
    Rule("SUP-RESP-irano", progression_to_be_confirmed),
    Rule("SUP-RESP-ctcae-necrosis", grade_contradicts_symptoms, scope="lesion"),
    Rule("SUP-SAFE-gadolinium", gadolinium_must_not_be_given, scope="imaging"),
    Rule("SUP-SAFE-pregnancy", pregnancy_to_be_confirmed),
    Rule("SUP-SAFE-no-mri", mri_cannot_be_done),
)
