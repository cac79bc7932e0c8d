"""Antibody-drug conjugates, BRAF, MEK and tyrosine-kinase inhibitors around stereotactic radiosurgery."""

from __future__ import annotations

from collections.abc import Mapping

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View

Numbers = Mapping[str, float]


def on_t_dm1(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_agent"] == "t_dm1"


def on_t_dxd(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_agent"] == "t_dxd"


def on_sacituzumab_govitecan(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_agent"] == "sacituzumab_govitecan"


def on_any_conjugate(f: View, k: Values) -> Term:
    return f["antibody_drug_conjugate_active"]


def conjugate_close_to_srs(f: View, k: Numbers) -> Term:
    return f["antibody_drug_conjugate_active"] & (f["adc_interval_days"] <= k["within_days"])


def on_braf_inhibitor(f: View, k: Values) -> Term:
    return f["braf_inhibitor_active"]


def on_vemurafenib(f: View, k: Values) -> Term:
    return f["braf_inhibitor_agent"] == "vemurafenib"


def _held_too_briefly(f: View, k: Numbers) -> Term:
    before, after = f["braf_mek_hold_days_before"], f["braf_mek_hold_days_after"]
    return (before < k["hold_days"]) | (after < k["hold_days"])


def braf_or_mek_not_held_for_fractions(f: View, k: Numbers) -> Term:
    on_drug = f["braf_inhibitor_active"] | f["mek_inhibitor_active"]
    return on_drug & (f["fractions"] > k["fractions_above"]) & _held_too_briefly(f, k)


def braf_or_mek_not_held_for_single_fraction(f: View, k: Numbers) -> Term:
    on_drug = f["braf_inhibitor_active"] | f["mek_inhibitor_active"]
    return on_drug & (f["modality"] == "single_srs") & _held_too_briefly(f, k)


def on_tki(f: View, k: Values) -> Term:
    return f["tki_active"]


def upfront_srs_with_tki(f: View, k: Values) -> Term:
    driver = (f["molecular.EGFR"] == "mutant") | (f["molecular.ALK"] == "rearranged")
    return (f["histology"] == "nsclc") & driver & f["tki_naive"]


def cns_active_therapy_with_srs(f: View, k: Values) -> Term:
    return f["cns_active_therapy_active"] & f["modality"].is_in(k["modalities"])


def on_cns_active_therapy(f: View, k: Values) -> Term:
    return f["cns_active_therapy_active"]


def melanoma_triple_trial(f: View, k: Values) -> Term:
    return (f["histology"] == "melanoma") & (f["molecular.BRAF_V600"] == "mutant")


def vegfr_tki_before_resection(f: View, k: Values) -> Term:
    agent = f["vegfr_tki_agent"]
    hold = choose(*((agent == name, text) for name, text in k["hold_before_surgery"].items()))
    return choose((f["lesion_setting"] == "planned_resection", hold))


def targeted_drug_or_checkpoint_inhibitor(f: View, k: Values) -> Term:
    return f["tki_active"] | f["braf_inhibitor_active"] | f["ici_active"]


RULES = (
    Rule("DRUG-tdm1-srs", on_t_dm1),
    Rule("DRUG-adc-srs", on_any_conjugate),
    Rule("DRUG-tdxd-srs", on_t_dxd),
    Rule("DRUG-sacituzumab-srs", on_sacituzumab_govitecan),
    Rule("SUP-HOLD-adc", conjugate_close_to_srs, "course"),
    Rule("SUP-HOLD-tdxd", on_t_dxd),
    Rule("SUP-HOLD-tdm1", on_t_dm1),
    Rule("DRUG-brafi-srs", on_braf_inhibitor),
    Rule("DRUG-vemurafenib-srs", on_vemurafenib),
    Rule("SUP-HOLD-braf-mek-fractionated", braf_or_mek_not_held_for_fractions, "plan"),
    Rule("SUP-HOLD-braf-mek-srs", braf_or_mek_not_held_for_single_fraction, "plan"),
    Rule("SUP-HOLD-tki", on_tki),
    Rule("DRUG-tki-srs-benefit", upfront_srs_with_tki),
    Rule("DRUG-systemic-toxicity-prudence", cns_active_therapy_with_srs, "plan"),
    Rule("DRUG-resistant-subclones", on_cns_active_therapy),
    Rule("DRUG-pulsar-combination", on_cns_active_therapy),
    Rule("DRUG-triple-melanoma-trial", melanoma_triple_trial),
    Rule("SUP-HOLD-vegfr-tki-surgery", vegfr_tki_before_resection, "lesion"),
    Rule("SUP-HOLD-oligocare", targeted_drug_or_checkpoint_inhibitor),
)
