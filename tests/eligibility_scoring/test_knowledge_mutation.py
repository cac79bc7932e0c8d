"""Each value of the knowledge decides some scenario: changed by one step, a row must come out otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import knowledge_mutation as mutation
from eligibility_scoring import knowledge
from isodose.clinical.knowledge import Knowledge

Row = dict[str, Any]
KNOWN = knowledge.load()
ALL_ON = knowledge.load(code for code, entry in KNOWN.entries.items() if not entry.enabled)
_ORDERS = {"advice", "remarks", "review"}
_UNNAMED = (
    "DOSE-postop-alliance-071801",
    "NEOADJ-no-dose-recommendation",
    "SUP-BED-formula",
    "TIME-postop-srs-1-2-weeks",
)
"""What rows on an order or on the usual dose rest on without naming it."""


@pytest.mark.timeout(600)
def test_no_changed_value_goes_unnoticed(
    rows: tuple[Row, ...], differs: Callable[[Row, Knowledge], list[str]]
) -> None:
    changed: dict[int, str] = {}

    def comes_out(row: mutation.Row, known: Knowledge) -> bool:
        """Whether the row is as told; a row that says nothing of the changed entry is not asked."""
        if id(known) not in changed:
            changed.clear()
            changed[id(known)] = _changed(known)
        if changed[id(known)] not in about(row) or "absent" in row:
            return True
        return differs(dict(row), known) == []

    assert mutation.survivors(ALL_ON, rows, comes_out, about) == []


def about(row: mutation.Row) -> set[str]:
    """The entries that the row says something of."""
    named = [*row.get("verdicts", ()), *row.get("values", ()), *row.get("says", ()), *row.get("review", ())]
    weights = [f"SCORE-{option}" for option in row.get("scores", ())]
    weights += ["SCORE-standing"] if row.get("scores") else []
    index = (row.get("prognosis") or {}).get("index")
    doses = _UNNAMED if _ORDERS & row.keys() else ()
    return {*named, *weights, *doses, *([index] if index else [])}


def _changed(known: Knowledge) -> str:
    return next(code for code, entry in known.entries.items() if entry is not ALL_ON.entries[code])
