"""The daily dose of orders as EHRs write them; what cannot be computed stays open, with the order's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isodose.clinical.record import Exposure
from isodose.mcode import build_record

ROWS = yaml.safe_load(
    (Path(__file__).parents[1] / "scenarios" / "alerts" / "dosages.yaml").read_text(encoding="utf-8")
)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def read(row: dict[str, Any]) -> list[Exposure]:
    kind = row.get("kind", "MedicationRequest")
    order: dict[str, Any] = {
        "resourceType": kind,
        "id": "m",
        "status": row.get("status", "active"),
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": row.get("drug")
        or {"coding": [{"system": RXNORM, "code": "3264", "display": "dexamethasone"}]},
    }
    if kind == "MedicationRequest":
        order |= {"intent": "order", "authoredOn": "2026-03-01", "dosageInstruction": row["dosage"]}
    elif kind == "MedicationAdministration":
        order |= {"dosage": row["dosage"]} | row["when"]
    else:
        order |= {"dosage": row["dosage"]} | row.get("when", {})
    resources = [order]
    if "medication" in row:
        del order["medicationCodeableConcept"]
        order["medicationReference"] = {"reference": "Medication/x"}
        resources.append({"resourceType": "Medication", "id": "x", **row["medication"]})
    return sorted(build_record("p", resources).exposures, key=lambda e: str(e.start))


def told(exposure: Exposure) -> dict[str, Any]:
    """What a row may say of one stretch of an order; what it leaves out is not compared."""
    return {
        "mg": exposure.daily_dose_mg,
        "at_least": exposure.least_daily_dose_mg,
        "from": str(exposure.start) if exposure.start else None,
        "to": str(exposure.end) if exposure.end else None,
        "every": exposure.cycle_days,
        "certainty": exposure.certainty,
        "as_needed": exposure.as_needed,
        "in_words": exposure.dose_in_words,
        "words": exposure.text,
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["name"]))
def test_an_order_is_read_as_written(row: dict[str, Any]) -> None:
    found = [told(exposure) for exposure in read(row)]
    expected = row["expect"] if isinstance(row["expect"], list) else [row["expect"]]
    assert len(found) == len(expected), found
    for one, wanted in zip(found, expected, strict=True):
        assert {name: one[name] for name in wanted} == wanted


UNITS = {"mg": 1.0, "g": 1000.0, "ug": 0.001}
HOURS = {"h": 1.0, "d": 24.0, "min": 1 / 60}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.sampled_from([0.5, 1, 2, 4, 8, 16]),
    st.sampled_from([4, 6, 8, 12, 24]),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(sorted(HOURS)),
)
def test_the_units_of_dose_and_period_do_not_change_the_day(
    mg: float, hours: int, unit: str, period_unit: str
) -> None:
    repeat = {"frequency": 1, "period": hours / HOURS[period_unit], "periodUnit": period_unit}
    dose = {"value": mg / UNITS[unit], "code": unit}
    dosage = [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": dose}]}]
    (found,) = read({"dosage": dosage})
    assert found.daily_dose_mg == pytest.approx(mg * 24 / hours, rel=1e-3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.permutations(next(row for row in ROWS if "three steps of a week" in row["name"])["dosage"]))
def test_the_steps_of_a_taper_may_stand_in_any_order(dosage: list[Any]) -> None:
    assert [e.daily_dose_mg for e in read({"dosage": dosage})] == [8, 4, 2]
