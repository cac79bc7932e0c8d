"""What follows from measured lesions, and what does not."""

from __future__ import annotations

import datetime as dt

import pytest

from isodose.clinical.derive.lesions import lesion_facts
from isodose.clinical.facts import current
from isodose.clinical.record import Fact, FactScalar, PatientRecord, Subject

ON = dt.date(2026, 11, 23)
MRI = dt.date(2026, 11, 1)


def lesion(ref: str, on: dt.date = MRI, **known: FactScalar) -> Subject:
    facts = tuple(Fact(name=n, value=v, on=on) for n, v in known.items())
    return Subject(ref=ref, scope="lesion", facts=facts)


def value(name: str, *lesions: Subject, **known: FactScalar) -> FactScalar | None:
    stated = tuple(Fact(name=n, value=v, on=MRI) for n, v in known.items())
    record = lesion_facts(PatientRecord(patient_id="p", facts=stated, subjects=lesions), ON)
    found = current(record.facts, name, ON)
    return None if found is None else found.value


A = lesion("a", lesion_diameter_cm=1.2, lesion_volume_ml=0.9)
B = lesion("b", lesion_diameter_cm=2.4, lesion_volume_ml=7.2)


def test_the_largest_and_the_sum_follow_when_every_counted_metastasis_is_measured() -> None:
    assert value("largest_diameter_cm", A, B, lesion_count=2) == 2.4
    assert value("largest_volume_ml", A, B, lesion_count=2) == 7.2
    assert value("citv_ml", A, B, lesion_count=2) == pytest.approx(8.1)


@pytest.mark.parametrize("name", ["largest_diameter_cm", "largest_volume_ml", "citv_ml"])
def test_nothing_follows_when_more_metastases_are_counted_than_described(name: str) -> None:
    assert value(name, A, B, lesion_count=3) is None
    assert value(name, A, B) is None


def test_nothing_follows_when_one_lesion_is_not_measured() -> None:
    assert value("largest_diameter_cm", A, lesion("b"), lesion_count=2) is None


def test_nothing_follows_from_measurements_of_different_days() -> None:
    earlier = lesion("b", dt.date(2026, 5, 1), lesion_diameter_cm=2.4)
    assert value("largest_diameter_cm", A, earlier, lesion_count=2) is None


def test_a_cavity_is_no_metastasis() -> None:
    cavity = lesion("c", lesion_setting="resection_cavity", lesion_volume_ml=12.0)
    assert value("citv_ml", A, B, cavity, lesion_count=2) == pytest.approx(8.1)
    assert value("citv_ml", A, B, cavity, lesion_count=3) is None


def test_the_number_of_metastases_never_follows_from_the_lesions_described() -> None:
    assert value("lesion_count", A, B) is None


def test_a_stated_value_comes_first() -> None:
    assert value("largest_diameter_cm", A, B, lesion_count=2, largest_diameter_cm=3.1) == 3.1


def velocity(new: int, **months: int) -> FactScalar | None:
    since = {f"{name}_since_initial_treatment": value for name, value in months.items()}
    return value("bm_velocity_per_year", new_lesions_since_initial_treatment=new, **since)


def test_velocity_follows_from_new_lesions_and_months() -> None:
    assert velocity(6, months=9) == 8
    assert velocity(6) is None
    assert velocity(6, months=0) is None


def test_velocity_does_not_follow_from_values_of_different_days() -> None:
    new = Fact(name="new_lesions_since_initial_treatment", value=6, on=MRI)
    months = Fact(name="months_since_initial_treatment", value=9, on=ON)
    record = lesion_facts(PatientRecord(patient_id="p", facts=(new, months)), ON)
    assert current(record.facts, "bm_velocity_per_year", ON) is None


def test_a_derived_fact_says_why_and_keeps_the_day_of_the_measurement() -> None:
    stated = (Fact(name="lesion_count", value=2),)
    record = lesion_facts(PatientRecord(patient_id="p", facts=stated, subjects=(A, B)), ON)
    (largest,) = [f for f in record.facts if f.name == "largest_diameter_cm"]
    assert (largest.stated, largest.on) == (False, MRI)
    assert largest.reasons
