"""Prognosis from other literature: diagnosis-specific indices, and guideline bands by number and volume.

The Graded Prognostic Assessment gives 0 (worst) to 4 (best) at first diagnosis of brain metastases; it speaks
of groups. Sources and what was not seen in them: knowledge/prognosis.yaml.
"""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View


def performance_points(f: View, k: Values) -> Term:
    return choose(
        (f["kps"] >= k["kps_high_from"], k["kps_high_points"]),
        (f["kps"] >= k["kps_middle_from"], k["kps_middle_points"]),
        otherwise=0,
    )


def age_points(f: View, k: Values) -> Term:
    return choose((f["age_years"] < k["age_below"], k["age_points"]), otherwise=0)


def extracranial_points(f: View, k: Values) -> Term:
    return choose((f["extracranial_metastases_present"], 0), otherwise=k["no_extracranial_points"])


def few_points(f: View, k: Values) -> Term:
    return choose((f["lesion_count"] <= k["count_to"], k["count_points"]), otherwise=0)


def single_or_few_points(f: View, k: Values) -> Term:
    return choose(
        (f["lesion_count"] == k["count_single"], k["single_points"]),
        (f["lesion_count"] <= k["count_to"], k["count_points"]),
        otherwise=0,
    )


def lung_other(f: View, k: Values) -> Term:
    return age_points(f, k) + performance_points(f, k) + extracranial_points(f, k) + few_points(f, k)


def lung_adenocarcinoma(f: View, k: Values) -> Term:
    driver = f["molecular.EGFR"].is_in(k["egfr"]) | f["molecular.ALK"].is_in(k["alk"])
    return lung_other(f, k) + choose((driver, k["gene_points"]), otherwise=0)


def melanoma(f: View, k: Values) -> Term:
    gene = choose((f["molecular.BRAF_V600"].is_in(k["braf"]), k["gene_points"]), otherwise=0)
    count = single_or_few_points(f, k)
    return age_points(f, k) + performance_points(f, k) + extracranial_points(f, k) + count + gene


def breast(f: View, k: Values) -> Term:
    subtype = choose(
        (f["breast_subtype"].is_in(k["high_subtypes"]), k["high_subtype_points"]),
        (f["breast_subtype"].is_in(k["low_subtypes"]), k["low_subtype_points"]),
        otherwise=0,
    )
    single = choose((f["lesion_count"] == k["count_single"], k["single_points"]), otherwise=0)
    return performance_points(f, k) + subtype + age_points(f, k) + extracranial_points(f, k) + single


def renal(f: View, k: Values) -> Term:
    haemoglobin = choose(
        (f["hemoglobin_g_dl"] > k["hemoglobin_high_above"], k["hemoglobin_high_points"]),
        (f["hemoglobin_g_dl"] > k["hemoglobin_middle_above"], k["hemoglobin_middle_points"]),
        otherwise=0,
    )
    return performance_points(f, k) + extracranial_points(f, k) + haemoglobin + few_points(f, k)


def gastrointestinal(f: View, k: Values) -> Term:
    count = single_or_few_points(f, k)
    return performance_points(f, k) + age_points(f, k) + extracranial_points(f, k) + count


def poor_lung_cancer_prognosis(f: View, k: Values) -> Term:
    short = f["life_expectancy_months"] <= k["life_expectancy_months_to"]
    return f["histology"].is_in(k["histologies"]) & ((f["kps"] < k["kps_below"]) | short)


def appropriateness_by_number(f: View, k: Values) -> Term:
    count = f["lesion_count"]
    return choose(
        (count.between(k["usually_from"], k["usually_to"]), "usually_appropriate"),
        (count.between(k["usually_to"], k["maybe_to"]), "may_be_appropriate"),
        (count > k["maybe_to"], "usually_not_appropriate"),
    )


def within_volume_recommendation(f: View, k: Values) -> Term:
    count = f["lesion_count"]
    banded = count.between(k["count_to"], k["band_to"]) & (f["citv_ml"] < k["citv_ml_below"])
    return count.between(k["count_from"], k["count_to"]) | banded


def local_therapy_for_symptoms(f: View, k: Values) -> Term:
    return f["neuro_symptomatic"] & f["cns_active_therapy_available"]


INDICES = (
    Rule("SUP-GPA-lung-adeno", lung_adenocarcinoma),
    Rule("SUP-GPA-lung-nonadeno", lung_other),
    Rule("SUP-GPA-melanoma", melanoma),
    Rule("SUP-GPA-breast", breast),
    Rule("SUP-GPA-renal", renal),
    Rule("SUP-GPA-gi", gastrointestinal),
)

RULES = (
    *INDICES,
    Rule("SUP-PROG-quartz", poor_lung_cancer_prognosis),
    Rule("SUP-ELIG-ars-count", appropriateness_by_number),
    Rule("SUP-ELIG-esmo-volume", within_volume_recommendation),
    Rule("SUP-ELIG-astro-symptomatic", local_therapy_for_symptoms),
)
