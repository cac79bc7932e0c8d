"""Systemic therapy before, with or instead of radiosurgery, by tumour type and molecular profile."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def small_lesions(f: View, k: Values) -> Term:
    small_volume = f["largest_volume_ml"] < k["volume_ml_below"]
    return (f["largest_diameter_cm"] < k["diameter_cm_below"]) | small_volume


def upfront_dual_ici(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & _small_without_symptoms(f, k)


def upfront_tki(f: View, k: Values) -> Term:
    driver = (
        f["molecular.EGFR"].is_in(k["egfr"])
        | f["molecular.ALK"].is_in(k["alk"])
        | f["molecular.ROS1"].is_in(k["ros1"])
        | f["molecular.RET"].is_in(k["ret"])
    )
    return f["histology"].is_in(k["histologies"]) & driver & _small_without_symptoms(f, k)


def upfront_her2_therapy(f: View, k: Values) -> Term:
    her2 = f["molecular.HER2"].is_in(k["her2"])
    return f["histology"].is_in(k["histologies"]) & her2 & _small_without_symptoms(f, k)


def other_histology(f: View, k: Values) -> Term:
    return ~f["histology"].is_in(k["studied_histologies"])


def downstaging(f: View, k: Values) -> Term:
    return f["wbrt_otherwise_needed"] & f["cns_active_therapy_available"] & f["brain_disease_stable"]


def local_therapy_might_be_deferred(f: View, k: Values) -> Term:
    driver = (
        f["molecular.EGFR"].is_in(k["egfr"])
        | f["molecular.ALK"].is_in(k["alk"])
        | f["molecular.RET"].is_in(k["ret"])
    )
    histology = f["histology"]
    group = (
        histology.is_in(k["ici_histology"])
        | (histology.is_in(k["breast_histology"]) & f["molecular.HER2"].is_in(k["her2"]))
        | (histology.is_in(k["nsclc_histology"]) & driver)
    )
    return ~f["neuro_symptomatic"] & f["brain_disease_stable"] & group


def continues(f: View, k: Values) -> Term:
    return f["systemic_therapy_active"] & ~f["systemic_therapy_harming_health"]


def held_for_local_therapy(f: View, k: Values) -> Term:
    held = f["systemic_hold_days_for_local_therapy"] > k["hold_days_above"]
    return f["systemic_therapy_active"] & held


def isolated_brain_progression(f: View, k: Values) -> Term:
    return f["cns_only_progression"] & f["systemic_therapy_active"]


def conditional_without_local_therapy(f: View, k: Values) -> Term:
    return f["molecular_profile_current"] & f["cns_active_therapy_available"]


def drug_with_radiosurgery(f: View, k: Values) -> Term:
    return f["cns_active_therapy_active"] & f["modality"].is_in(k["modalities"])


def lesion_above_one_centimetre_on_tki(f: View, k: Values) -> Term:
    large = f["largest_diameter_cm"] > k["diameter_cm_above"]
    return f["histology"].is_in(k["histologies"]) & f["tki_active"] & large


def few_lung_metastases(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & (f["lesion_count"] <= k["count_to"])


def not_yet_at_board(f: View, k: Values) -> Term:
    return f["cns_active_therapy_available"] & ~f["mdt_discussed"]


def lung_with_cns_active_drug(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"]) & f["cns_active_therapy_available"]


def oncologist_not_in_discussion(f: View, k: Values) -> Term:
    her2 = f["histology"].is_in(k["histologies"]) & f["molecular.HER2"].is_in(k["her2"])
    return her2 & ~f["primary_oncologist_in_mdt"]


def progression_at_irradiated_site(f: View, k: Values) -> Term:
    progression = ~f["intracranial_progression_type"].is_in(k["no_progression"])
    return progression & f["prior_cranial_rt_to_site"]


def uncertainty_not_discussed(f: View, k: Values) -> Term:
    return ~f["uncertainty_discussed_with_patient"]


def _small_without_symptoms(f: View, k: Values) -> Term:
    return (f["largest_diameter_cm"] < k["diameter_cm_below"]) & ~f["neuro_symptomatic"]


RULES = (
    Rule("SYS-small-lesion-cutoffs", small_lesions),
    Rule("SYS-melanoma-upfront-dual-ici", upfront_dual_ici),
    Rule("SYS-nsclc-upfront-tki", upfront_tki),
    Rule("SYS-her2-upfront", upfront_her2_therapy),
    Rule("SYS-other-histologies-not-enough", other_histology),
    Rule("SYS-cns-downstaging", downstaging),
    Rule("SYS-omit-local-not-general", local_therapy_might_be_deferred),
    Rule("DRUG-continue-systemic", continues),
    Rule("TIME-systemic-continue", held_for_local_therapy, "course"),
    Rule("ELIG-cns-only-progression-srs-continue", isolated_brain_progression),
    Rule("SYS-guideline-conditional", conditional_without_local_therapy),
    Rule("SYS-combination-rationale", drug_with_radiosurgery, "plan"),
    Rule("SYS-srs-benefit-over-1cm", lesion_above_one_centimetre_on_tki),
    Rule("SYS-bratr", few_lung_metastases),
    Rule("SYS-case-by-case", not_yet_at_board),
    Rule("SYS-nsclc-mdt", lung_with_cns_active_drug),
    Rule("SYS-her2-mdt", oncologist_not_in_discussion),
    Rule("SYS-salvage-and-are", progression_at_irradiated_site, "lesion"),
    Rule("SYS-uncertainty-to-patient", uncertainty_not_discussed),
)
