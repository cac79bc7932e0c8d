"""Each of the 44 drugs that the review names is recognised, in two code systems where it has them."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from alert_scenarios import SYSTEMS
from ici_steroid_alerts import knowledge
from isodose.clinical.terminology import DRUG_SETS, coding, drugs, value_set, words_of
from isodose.mcode import build_record

CLASSES = {
    "immune-checkpoint inhibitors": ("nivolumab", "pembrolizumab", "ipilimumab", "durvalumab"),
    "anti-PD-(L)1 antibodies": ("nivolumab", "pembrolizumab", "atezolizumab", "durvalumab", "cemiplimab"),
    "anti-CTLA4 antibodies": ("ipilimumab", "tremelimumab"),
    "dual ICI therapy": ("nivolumab_relatlimab",),
    "tyrosine-kinase inhibitors": ("osimertinib", "lorlatinib", "tucatinib"),
    "BRAF inhibitors": ("vemurafenib", "dabrafenib", "encorafenib"),
    "antibody-drug conjugates": ("trastuzumab_emtansine", "trastuzumab_deruxtecan", "sacituzumab_govitecan"),
    "glucocorticoids": ("dexamethasone", "prednisone", "methylprednisolone", "hydrocortisone"),
    "platinum-based chemotherapy": ("cisplatin", "carboplatin", "oxaliplatin"),
}
SINGLE = (
    "nivolumab", "pembrolizumab", "ipilimumab", "osimertinib", "alectinib", "brigatinib", "lorlatinib",
    "crizotinib", "entrectinib", "selpercatinib", "cabozantinib", "tucatinib", "vemurafenib", "dabrafenib",
    "trametinib", "encorafenib", "binimetinib", "trastuzumab", "bevacizumab", "dexamethasone", "memantine",
    "donepezil", "capecitabine", "docetaxel",
)  # fmt: skip
AGENTS = {
    "trastuzumab emtansine (T-DM1)": "trastuzumab_emtansine",
    "trastuzumab deruxtecan (T-DXd)": "trastuzumab_deruxtecan",
    **{name: name for name in SINGLE},
    "sacituzumab govitecan": "sacituzumab_govitecan",
}
BY_NAME_ALONE = {"Boswellia serrata extract": "boswellia_serrata", "AGuIX": "aguix"}
NOT_A_DRUG_HERE = {
    "18F-fluorodeoxyglucose",
    "11C-methyl-L-methionine",
    "F-DOPA",
    "F-FET",
    "18F-fluciclovine",
    "tumour treating fields",
}
"""Tracers of PET and a device: no rule on drugs asks for them; imaging and eligibility do."""
CONCEPTS = sorted({*AGENTS.values(), *(one for members in CLASSES.values() for one in members)})


def test_all_44_drugs_of_the_review_have_their_place() -> None:
    assert len(CLASSES) + len(AGENTS) + len(BY_NAME_ALONE) + len(NOT_A_DRUG_HERE) == 44


@pytest.mark.parametrize("concept_id", CONCEPTS)
def test_a_drug_is_recognised_in_two_code_systems_and_by_name(concept_id: str) -> None:
    concept = next(c for name in DRUG_SETS for c in value_set(name).concepts.values() if c.id == concept_id)
    systems = {code.system for code in concept.codes if code.match}
    assert len(systems) >= 2, systems
    for code in concept.codes:
        if code.match:
            (found,) = [d for d in drugs([coding(code.system, code.code)]) if d.concept.id == concept_id]
            assert found.certainty == "sure"
    for name in concept.names:
        assert concept_id in {d.concept.id for d in drugs([], words_of(f"{name} 10 mg"))}


@pytest.mark.parametrize("concept_id", sorted(BY_NAME_ALONE.values()))
def test_a_product_without_a_code_is_recognised_by_its_name_as_likely(concept_id: str) -> None:
    concept = value_set("supportive_drugs").concepts[concept_id]
    assert concept.caution
    (found,) = drugs([], words_of(concept.names[0]))
    assert (found.concept.id, found.certainty) == (concept_id, "likely")


PRODUCTS = {
    "immune_checkpoint_inhibitors": (
        "pembrolizumab", "nivolumab", "ipilimumab", "atezolizumab", "durvalumab",
    ),
    "antibody_drug_conjugates": ("trastuzumab_emtansine", "trastuzumab_deruxtecan", "sacituzumab_govitecan"),
    "bevacizumab": ("bevacizumab",),
    "braf_mek_inhibitors": ("dabrafenib", "trametinib", "vemurafenib", "encorafenib"),
    "tyrosine_kinase_inhibitors": (
        "osimertinib", "alectinib", "brigatinib", "lorlatinib", "crizotinib", "entrectinib", "selpercatinib",
        "tucatinib",
    ),
    "corticosteroids": ("dexamethasone", "prednisone", "methylprednisolone", "hydrocortisone"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "concept_id"), [(name, one) for name, members in PRODUCTS.items() for one in members]
)
def test_a_drug_is_recognised_as_a_product_and_not_as_an_ingredient_alone(
    values: str, concept_id: str
) -> None:
    codes = [c for c in value_set(values).concepts[concept_id].codes if c.match and c.system == "rxnorm"]
    assert len(codes) >= 2, "orders of an EHR name clinical drugs and brands"
    assert " MG" not in codes[0].says, "a proposal is coded with the first, which tells no strength"


@pytest.mark.parametrize(
    ("system", "code", "count", "unit", "milligrams"),
    [
        ("rxnorm", "197580", 2, "{tbl}", 3.0),
        ("rxnorm", "197583", 1, "TABLET", 6.0),
        ("rxnorm", "205712", 2, "tablet", 8.0),
        ("rxnorm", "309684", 4, "mL", 4.0),
        ("rxnorm", "1116927", 2, "mL", 8.0),
        ("rxnorm", "198145", 3, "{tbl}", 30.0),
        ("rxnorm", "207138", 2, "{tbl}", 32.0),
        ("rxnorm", "197787", 3, "{tbl}", 15.0),
        ("ndc", "0054-4184-25", 2, "{tbl}", 8.0),
    ],
)
def test_the_code_of_a_steroid_product_alone_tells_its_strength(
    system: str, code: str, count: int, unit: str, milligrams: float
) -> None:
    once = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    order = {
        "resourceType": "MedicationRequest",
        "id": "o",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-11-20",
        "medicationCodeableConcept": {"coding": [{"system": SYSTEMS[system], "code": code}]},
        "dosageInstruction": [once | {"doseAndRate": [{"doseQuantity": {"value": count, "unit": unit}}]}],
    }
    (exposure,) = build_record("p", [order]).exposures
    assert (exposure.drug_class, exposure.daily_dose_mg) == ("corticosteroid", milligrams)


FACTS = (
    Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[3] / "shared"))
    / "clinical/codes/drug_facts.tsv"
)


def read_half_lives() -> list[tuple[str, str]]:
    """Drug and half-life in days where the code tables have read it in a source."""
    if not FACTS.exists():
        return []
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file, delimiter="\t")
            if row["fact"].startswith("terminal_half_life")
        ]
    return [(row["concept_id"], row["value"]) for row in rows if row["verified"] == "yes"]


@pytest.mark.parametrize(("drug", "days"), read_half_lives())
def test_a_half_life_read_elsewhere_is_used_or_shown_beside_the_one_used(drug: str, days: str) -> None:
    entry = knowledge.load().entry("SUP-ICIPK-half-life-table")
    used = entry.values["half_life_days"][-1].value[drug]
    shown_beside = re.search(rf"\b{re.escape(days)}\b", entry.conflicts.partition(drug)[2][:50])
    assert used == float(days) or shown_beside
