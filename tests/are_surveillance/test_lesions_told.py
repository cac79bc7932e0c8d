"""Risk, work-up and treatment of one lesion, in rows that a clinician can read."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from are_surveillance import knowledge
from isodose.clinical.knowledge import Knowledge

SCENARIOS = Path(__file__).parents[1] / "scenarios" / "surveillance"
Row = dict[str, Any]


@cache
def knowledge_with(*enabled: str) -> Knowledge:
    return knowledge.load(enabled)


def rows(name: str) -> list[Any]:
    told = yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["name"]) for row in told]


@pytest.mark.parametrize("row", rows("workup"))
def test_the_work_up_stands_as_told(row: Row, told: ModuleType) -> None:
    assert told.workup_differs(row, knowledge_with()) == []


@pytest.mark.parametrize("row", rows("treatment"))
def test_the_treatments_stand_as_told(row: Row, told: ModuleType) -> None:
    assert told.treatment_differs(row, knowledge_with()) == []


@pytest.mark.parametrize("row", rows("risk_profile"))
def test_the_risk_is_the_one_told(row: Row, told: ModuleType) -> None:
    assert told.risk_differs(row, knowledge_with(*row.get("enable", ()))) == []


def test_no_prediction_combines_two_factors(told: ModuleType) -> None:
    facts = {"histology": "melanoma", "ici_active": True, "prior_srs_same_lesion": True}
    row = {"facts": facts, "courses": [{"end": dt.date(2026, 1, 5)}], "day": dt.date(2026, 3, 1)}
    (risk,) = (r for r in told.concluded(row, knowledge_with()) if r["resourceType"] == "RiskAssessment")
    for prediction in risk["prediction"]:
        cited = {code for code in knowledge_with().entries if f"({code}:" in prediction["rationale"]}
        assert len(cited) == 1
