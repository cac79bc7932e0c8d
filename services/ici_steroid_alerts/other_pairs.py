"""Bevacizumab around surgery, drugs for cognition, supplements, and systemic therapy that is held."""

from __future__ import annotations

from collections.abc import Mapping

from isodose.clinical.knowledge import Values
from isodose.clinical.logic import Term, choose
from isodose.clinical.rules import Rule, View

Numbers = Mapping[str, float]


def bevacizumab_before_operation(f: View, k: Numbers) -> Term:
    return f["days_from_bevacizumab_to_surgery"] < k["days_below"]


def bleeding_risk(f: View, k: Values) -> Term:
    return f["haemorrhage_risk"]


def colour_of_bevacizumab_interval(f: View, k: Numbers) -> Term:
    before, after = f["days_from_bevacizumab_to_surgery"], f["days_from_surgery_to_bevacizumab"]
    return choose(
        ((before < k["red_below"]) | (after < k["red_below"]), "red"),
        (before < k["amber_below"], "amber"),
        otherwise="green",
    )


def bevacizumab_for_refractory_necrosis(f: View, k: Values) -> Term:
    return f["are_symptomatic"] & f["steroid_refractory"] & ~f["haemorrhage_risk"]


def memantine_with_whole_brain(f: View, k: Values) -> Term:
    return f["modality"].is_in(k["modalities"])


def impaired_cognition(f: View, k: Values) -> Term:
    return f["baseline_cognitive_impairment"]


def six_months_after_radiosurgery(f: View, k: Numbers) -> Term:
    return f["months_since_srs"] >= k["months_at_least"]


def boswellia_over_the_counter(f: View, k: Values) -> Term:
    return f["otc_boswellia_use"]


def systemic_therapy_goes_on(f: View, k: Values) -> Term:
    return f["systemic_therapy_active"] & ~f["systemic_therapy_harming_health"]


def systemic_therapy_held(f: View, k: Numbers) -> Term:
    return f["systemic_therapy_active"] & (f["systemic_hold_days_for_local_therapy"] > k["hold_days_above"])


def holding_does_harm(f: View, k: Numbers) -> Term:
    return f["systemic_hold_days_for_local_therapy"] > k["hold_days_above"]


def brain_and_body_in_parallel(f: View, k: Values) -> Term:
    return f["systemic_therapy_active"] & (f["extracranial_disease_status"] == "progressing")


def progression_on_cns_active_therapy(f: View, k: Values) -> Term:
    progressing = f["intracranial_progression_type"].is_in(k["progression_types"])
    return f["cns_active_therapy_active"] & progressing


def board_has_not_spoken(f: View, k: Values) -> Term:
    return f["cns_active_therapy_available"] & ~f["mdt_discussed"]


RULES = (
    Rule("DRUG-bevacizumab-wound", bevacizumab_before_operation, "course"),
    Rule("DRUG-bevacizumab-bleeding", bleeding_risk),
    Rule("SUP-HOLD-bevacizumab-surgery", colour_of_bevacizumab_interval, "course"),
    Rule("SUP-MGMT-bevacizumab-regimen", bevacizumab_for_refractory_necrosis, "lesion"),
    Rule("DRUG-memantine", memantine_with_whole_brain, "plan"),
    Rule("DRUG-donepezil", impaired_cognition),
    Rule("TIME-donepezil-6-months", six_months_after_radiosurgery, "lesion"),
    Rule("DRUG-boswellia-otc", boswellia_over_the_counter),
    Rule("DRUG-continue-systemic", systemic_therapy_goes_on),
    Rule("TIME-systemic-continue", systemic_therapy_held, "course"),
    Rule("TIME-systemic-withhold-harm", holding_does_harm, "course"),
    Rule("TIME-parallel-not-serial", brain_and_body_in_parallel),
    Rule("TIME-srs-salvage-after-systemic", progression_on_cns_active_therapy),
    Rule("TIME-upfront-vs-deferred-local-therapy", board_has_not_spoken),
)
