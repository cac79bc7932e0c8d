"""Each entry taken to its limits, in rows that a clinician can read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from are_surveillance import decision, knowledge
from isodose.clinical.knowledge import Knowledge

SCENARIOS = Path(__file__).parents[1] / "scenarios" / "surveillance"

FILES = ("interval_rules", "risk", "workup_rules", "management_rules")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        texts = [(SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8") for name in FILES]
        pairs = [(row, case) for text in texts for row in yaml.safe_load(text) for case in row["cases"]]
        metafunc.parametrize(("row", "case"), pairs, ids=[f"{row['name']} {case}" for row, case in pairs])


@cache
def knowledge_with(*enabled: str) -> Knowledge:
    return knowledge.load(enabled)


def test_the_entry_comes_out_as_told(row: dict[str, Any], case: dict[str, Any], told: ModuleType) -> None:
    known = {**row.get("given", {}), **case}
    expected = known.pop("is")
    assert told.judged(row["code"], known, knowledge_with(*row.get("enable", ()))) == expected


def test_every_rule_has_a_row(told: ModuleType) -> None:
    rows = told.rows_of(*FILES)
    assert {rule.code for rule in decision.RULES} == {row["code"] for row in rows}
    assert len({row["name"] for row in rows}) == len(rows)
    assert sum(len(row["cases"]) for row in rows) > 300
