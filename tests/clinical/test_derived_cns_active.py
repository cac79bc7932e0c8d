"""That a CNS-active drug is available follows from tumour type and marker, and never that none is."""

from __future__ import annotations

import datetime as dt

import pytest

from eligibility_scoring import knowledge
from isodose.clinical import derive
from isodose.clinical.derive.cns_active import named
from isodose.clinical.facts import current
from isodose.clinical.record import Fact, PatientRecord

ON = dt.date(2026, 11, 23)
FACT = "cns_active_therapy_available"


def available(*known: Fact) -> Fact | None:
    record = PatientRecord(patient_id="p", facts=known)
    return current(derive.as_of(record, ON).facts, FACT, ON)


def fact(name: str, value: object, **more: object) -> Fact:
    return Fact(name=name, value=value, source="Observation/o", **more)


@pytest.mark.parametrize("drug", named(), ids=lambda drug: drug.entry)
def test_each_row_says_what_its_entry_says(drug):
    values = knowledge.load().values(drug.entry, ON)
    stated = {name: tuple(values[name]) for name in values}
    assert stated.pop("histologies") == drug.histologies
    assert list(stated.values()) == ([drug.states] if drug.marker else [])


def test_every_entry_that_names_a_drug_has_a_row():
    entries = {code for code in knowledge.load().entries if code.startswith("SYS-drug-list-")}
    assert entries == {drug.entry for drug in named()}


@pytest.mark.parametrize("drug", named(), ids=lambda drug: drug.entry)
def test_a_named_drug_is_available_and_says_by_which_entry(drug):
    known = [fact("histology", drug.histologies[0])]
    if drug.marker:
        known.append(fact(drug.marker, drug.states[0], on=dt.date(2026, 10, 1), certainty="likely"))
    found = available(*known)
    assert found is not None
    assert found.value is True
    assert not found.stated
    assert drug.entry in found.reasons[0]
    assert found.certainty == ("likely" if drug.marker else "sure")


@pytest.mark.parametrize(
    "known",
    [
        [],
        [fact("histology", "nsclc")],
        [fact("molecular.EGFR", "mutant")],
        [fact("histology", "nsclc"), fact("molecular.EGFR", "wild_type")],
        [fact("histology", "breast"), fact("molecular.EGFR", "mutant")],
        [fact("histology", "melanoma")],
        [fact("histology", "nsclc"), fact("molecular.EGFR", "mutant", on=dt.date(2026, 12, 1))],
    ],
    ids=["nothing", "no marker", "no tumour type", "wild type", "other tumour", "only an ICI", "known later"],
)
def test_nothing_follows_otherwise(known):
    assert available(*known) is None


def test_what_is_stated_stands():
    known = [fact("histology", "nsclc"), fact("molecular.EGFR", "mutant"), fact(FACT, False)]
    found = available(*known)
    assert found is not None
    assert found.value is False
    assert found.stated
