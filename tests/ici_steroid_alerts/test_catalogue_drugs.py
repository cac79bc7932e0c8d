"""Each of the 44 drugs that the review names is recognised, in two code systems where it has them."""

from __future__ import annotations

import pytest

from isodose.clinical.terminology import DRUG_SETS, coding, drugs, value_set, words_of

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
