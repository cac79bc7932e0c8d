"""Drugs as risk factors for adverse radiation effects, and what treats one while sparing steroid."""

from __future__ import annotations

from collections.abc import Mapping

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View

Numbers = Mapping[str, float]


def checkpoint_inhibitor_with_srs(f: View, k: Values) -> Term:
    return f["ici_active"] & f["modality"].is_in(k["modalities"])


def melanoma_on_checkpoint_inhibitor(f: View, k: Values) -> Term:
    return f["ici_active"] & (f["histology"] == "melanoma")


def on_checkpoint_inhibitor(f: View, k: Values) -> Term:
    return f["ici_active"]


def active_t_dm1(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_active"] & (f["antibody_drug_conjugate_agent"] == "t_dm1")


def on_conjugate(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_active"]


def on_t_dxd(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_agent"] == "t_dxd"


def melanoma_on_braf_inhibitor(f: View, k: Values) -> Term:
    return f["braf_inhibitor_active"] & (f["histology"] == "melanoma")


def on_vemurafenib(f: View, k: Values) -> Term:
    return f["braf_inhibitor_agent"] == "vemurafenib"


def lung_cancer_on_tki(f: View, k: Values) -> Term:
    return (f["histology"] == "nsclc") & f["tki_active"]


def her2_positive_on_conjugate(f: View, k: Values) -> Term:
    return (f["molecular.HER2"] == "positive") & f["antibody_drug_conjugate_active"]


def symptomatic_and_not_excluded(f: View, k: Values) -> Term:
    return f["are_symptomatic"] & (f["are_status"] != "excluded")


def steroid_failed(f: View, k: Values) -> Term:
    return f["steroid_refractory"] | f["steroid_taper_failed"]


def symptomatic_on_checkpoint_inhibitor(f: View, k: Values) -> Term:
    return f["are_symptomatic"] & f["ici_active"]


def refractory_to_steroid(f: View, k: Values) -> Term:
    return f["steroid_refractory"]


def bleeding_risk_or_operation_soon(f: View, k: Numbers) -> Term:
    return f["haemorrhage_risk"] | (f["days_from_bevacizumab_to_surgery"] < k["days_below"])


def grade_one_to_three(f: View, k: Numbers) -> Term:
    return f["are_grade"].between(k["grade_from"], k["grade_to"])


def refractory_and_within_reach(f: View, k: Values) -> Term:
    return f["steroid_refractory"] & f["lesion_surgically_accessible"]


def laser_ablation_feasible(f: View, k: Values) -> Term:
    return f["litt_feasible"] & f["are_status"].is_in(k["statuses"])


def laser_ablation_to_spare_steroid(f: View, k: Numbers) -> Term:
    on_steroid = f["steroid_dexamethasone_mg_per_day"] > k["dexamethasone_above"]
    return f["litt_feasible"] & f["ici_active"] & on_steroid


RULES = (
    Rule("ARE-RISK-ici", checkpoint_inhibitor_with_srs, "plan"),
    Rule("ARE-RISK-ici-melanoma", melanoma_on_checkpoint_inhibitor),
    Rule("ARE-RISK-ici-low-rate-data", on_checkpoint_inhibitor),
    Rule("ARE-RISK-tdm1", active_t_dm1),
    Rule("ARE-RISK-adc-concurrent", on_conjugate),
    Rule("ARE-RISK-tdxd-disputed", on_t_dxd),
    Rule("ARE-RISK-braf-inhibitor", melanoma_on_braf_inhibitor),
    Rule("ARE-RISK-braf-agent", on_vemurafenib),
    Rule("ARE-RISK-nsclc-tki", lung_cancer_on_tki),
    Rule("ARE-RISK-her2-adc", her2_positive_on_conjugate),
    Rule("ARE-MGMT-steroid-first", symptomatic_and_not_excluded, "lesion"),
    Rule("ARE-MGMT-steroid-failure", steroid_failed),
    Rule("ARE-MGMT-steroid-with-ici", symptomatic_on_checkpoint_inhibitor, "lesion"),
    Rule("ARE-MGMT-bevacizumab", refractory_to_steroid),
    Rule("ARE-MGMT-bevacizumab-cautions", bleeding_risk_or_operation_soon, "course"),
    Rule("ARE-MGMT-boswellia", grade_one_to_three, "lesion"),
    Rule("ARE-MGMT-surgery", refractory_and_within_reach, "lesion"),
    Rule("ARE-MGMT-litt", laser_ablation_feasible, "lesion"),
    Rule("ARE-MGMT-litt-ici", laser_ablation_to_spare_steroid, "lesion"),
)
