"""Factors linked with adverse radiation effects in the review, each judged on its own."""

from __future__ import annotations

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, some, term
from isodose.clinical.rules import Rule, View

SINGLE, FRACTIONATED = "single_srs", "fsrs"


def over_3_cm_in_one_fraction(f: View, k: Values) -> Term:
    return (f["lesion_diameter_cm"] > term(k["diameter_above_cm"])) & (f["modality"] == SINGLE)


def large_v12(f: View, k: Values) -> Term:
    return f["v12gy_ml"] >= term(k["v12_from_ml"])


def histology_of_higher_risk(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


def marker_of_higher_risk(f: View, _: Values) -> Term:
    return (f["molecular.BRAF_V600"] == "mutant") | (f["molecular.ALK"] == "rearranged")


def checkpoint_inhibitor_with_radiosurgery(f: View, _: Values) -> Term:
    return f["ici_active"] & f["modality"].is_in((SINGLE, FRACTIONATED))


def checkpoint_inhibitor_in_melanoma(f: View, _: Values) -> Term:
    return f["ici_active"] & (f["histology"] == "melanoma")


def checkpoint_inhibitor(f: View, _: Values) -> Term:
    return f["ici_active"]


def trastuzumab_emtansine(f: View, _: Values) -> Term:
    return f["antibody_drug_conjugate_active"] & (f["antibody_drug_conjugate_agent"] == "t_dm1")


def conjugate(f: View, _: Values) -> Term:
    return f["antibody_drug_conjugate_active"]


def trastuzumab_deruxtecan(f: View, _: Values) -> Term:
    return f["antibody_drug_conjugate_agent"] == "t_dxd"


def braf_inhibitor_in_melanoma(f: View, _: Values) -> Term:
    return f["braf_inhibitor_active"] & (f["histology"] == "melanoma")


def vemurafenib(f: View, _: Values) -> Term:
    return f["braf_inhibitor_agent"] == "vemurafenib"


def kinase_inhibitor_in_nsclc(f: View, _: Values) -> Term:
    return (f["histology"] == "nsclc") & f["tki_active"]


def conjugate_in_her2(f: View, _: Values) -> Term:
    return (f["molecular.HER2"] == "positive") & f["antibody_drug_conjugate_active"]


def renal_cell_carcinoma(f: View, _: Values) -> Term:
    return f["histology"] == "rcc"


def medium_volume_in_one_fraction(f: View, k: Values) -> Term:
    return f["lesion_volume_ml"].between(k["from_ml"], k["to_ml"]) & (f["modality"] == SINGLE)


def large_volume(f: View, k: Values) -> Term:
    return f["lesion_volume_ml"] > term(k["above_ml"])


def schedule_of_higher_risk(f: View, k: Values) -> Term:
    return some(
        (f["fractions"] == schedule["fractions"]) & (f["total_dose_gy"] == schedule["dose_gy"])
        for schedule in k["schedules"]
    )


def low_margin_dose(f: View, k: Values) -> Term:
    return f["margin_dose_gy"].between(k["from_gy"], k["to_gy"])


def irradiated_before(f: View, _: Values) -> Term:
    return f["prior_cranial_rt_to_site"]


def resection_planned(f: View, _: Values) -> Term:
    return f["lesion_setting"] == "planned_resection"


def symptomatic_with_oedema(f: View, _: Values) -> Term:
    return f["are_symptomatic"] & f["perilesional_oedema"]


RULES = (
    Rule("ARE-RISK-diameter-3cm", over_3_cm_in_one_fraction, scope="lesion"),
    Rule("ARE-RISK-v12", large_v12, scope="plan"),
    Rule("ARE-RISK-histology", histology_of_higher_risk),
    Rule("ARE-RISK-molecular", marker_of_higher_risk),
    Rule("ARE-RISK-ici", checkpoint_inhibitor_with_radiosurgery, scope="plan"),
    Rule("ARE-RISK-ici-melanoma", checkpoint_inhibitor_in_melanoma),
    Rule("ARE-RISK-ici-low-rate-data", checkpoint_inhibitor),
    Rule("ARE-RISK-tdm1", trastuzumab_emtansine),
    Rule("ARE-RISK-adc-concurrent", conjugate),
    Rule("ARE-RISK-tdxd-disputed", trastuzumab_deruxtecan),
    Rule("ARE-RISK-braf-inhibitor", braf_inhibitor_in_melanoma),
    Rule("ARE-RISK-braf-agent", vemurafenib),
    Rule("ARE-RISK-nsclc-tki", kinase_inhibitor_in_nsclc),
    Rule("ARE-RISK-her2-adc", conjugate_in_her2),
    Rule("ARE-RISK-rcc", renal_cell_carcinoma),
    Rule("ARE-RISK-fsrs-4-14ml", medium_volume_in_one_fraction, scope="lesion"),
    Rule("ARE-RISK-fsrs-over-14ml", large_volume, scope="lesion"),
    Rule("ARE-RISK-schedule", schedule_of_higher_risk, scope="plan"),
    Rule("ARE-RISK-low-dose", low_margin_dose, scope="plan"),
    Rule("ARE-RISK-covariates", irradiated_before, scope="lesion"),
    Rule("ARE-RISK-neoadjuvant-lower", resection_planned, scope="lesion"),
    Rule("ARE-RISK-vegf-mechanism", symptomatic_with_oedema, scope="lesion"),
)
