"""The mutation of knowledge itself: it changes each value once, and finds what no row notices."""

from __future__ import annotations

import datetime as dt
from typing import Any

import knowledge_mutation as mutation
from isodose.clinical.finding import Citation
from isodose.clinical.knowledge import DatedValue, Entry, Knowledge


def knowledge(**values: Any) -> Knowledge:
    dated = {
        name: (DatedValue(valid_from=dt.date(2025, 1, 1), value=value),) for name, value in values.items()
    }
    return Knowledge(
        {"X": Entry(statement="s", strength="caution", evidence=(Citation(cite="c"),), values=dated)}
    )


def test_each_number_goes_both_ways_and_each_list_loses_each_member() -> None:
    made = [m.place for m in mutation.mutants(knowledge(below=70, above=2.0, codes=["a", "b"], word="w"))]
    assert made == [
        "X.below: 70 -> 74",
        "X.below: 70 -> 66",
        "X.above: 2.0 -> 2.2",
        "X.above: 2.0 -> 1.8",
        "X.codes: without a",
        "X.codes: without b",
        "X.word: w -> another",
    ]


def test_tables_are_changed_in_every_cell_and_lose_every_row() -> None:
    made = [m.place for m in mutation.mutants(knowledge(table=[{"to": 20, "label": "x"}]))]
    assert made == ["X.table: without 0", "X.table: [0] to 20 -> 21", "X.table: [0] to 20 -> 19"]


def test_what_no_row_notices_survives() -> None:
    known = knowledge(below=70)

    def comes_out(row: dict[str, int], other: Knowledge) -> bool:
        return (row["kps"] < other.values("X", dt.date(2026, 1, 1))["below"]) == row["poor"]

    rows = [{"kps": 50, "poor": True}, {"kps": 70, "poor": False}]
    assert mutation.survivors(known, rows, comes_out, lambda _: {"X"}) == ["X.below: 70 -> 66"]
    rows.append({"kps": 69, "poor": True})
    assert mutation.survivors(known, rows, comes_out, lambda _: {"X"}) == []
