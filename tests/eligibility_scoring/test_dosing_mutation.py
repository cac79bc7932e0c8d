"""Each value on dose, timing, neoadjuvant SRS and quality decides some scenario row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

import knowledge_mutation as mutation
from eligibility_scoring import knowledge as service_knowledge
from isodose.clinical.knowledge import Knowledge

Row = Mapping[str, Any]
FOLDER = Path(service_knowledge.__file__).with_name("knowledge")
BY_NAME = ("timing", "neoadjuvant", "quality", "hippocampus_and_memantine")
FILES = (*sorted(FOLDER.glob("dose_*.yaml")), *(FOLDER / f"{name}.yaml" for name in BY_NAME))
TOLD_IN = ("dosing", "timing", "neoadjuvant", "quality", "order_review")


def entries() -> set[str]:
    """The entries of the files on dose, timing, neoadjuvant SRS and quality."""
    return {code for file in FILES for code in yaml.safe_load(file.read_text(encoding="utf-8"))["entries"]}


def about(row: Row) -> set[str]:
    return {code for key in ("verdicts", "values", "says", "review") for code in row.get(key, {})}


def test_no_changed_value_goes_unnoticed(
    rows: tuple[Row, ...], knowledge: Knowledge, differs: Callable[..., list[str]]
) -> None:
    def comes_out(row: Row, changed: Knowledge) -> bool:
        try:
            return differs(row, changed) == []
        except KeyError:
            return False

    told = [row for row in rows if row["file"] in TOLD_IN]
    own = entries()
    unnoticed = []
    for mutant in mutation.mutants(knowledge):
        if mutant.code in own:
            in_order = sorted(told, key=lambda row, code=mutant.code: code not in about(row))  # type: ignore[misc]
            if all(comes_out(row, mutant.knowledge) for row in in_order):
                unnoticed.append(mutant.place)
    assert unnoticed == []
