"""Each value of the knowledge decides some scenario: changed by one step, a row must come out otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import knowledge_mutation as mutation
from are_surveillance import knowledge
from isodose.clinical.knowledge import Knowledge

OFF = ("SUP-ARE-size-sneed", "SUP-IMG-mrs")
RULES = ("interval_rules", "risk", "workup_rules", "management_rules")
SCHEDULE = {
    "SUP-SURV-first-scan",
    "SUP-SURV-default-interval",
    "SUP-SURV-overdue",
    "SUP-SURV-shorten",
    "SUP-SURV-suspicious-repeat",
    "SUP-SURV-postop-mri",
    "SUP-SURV-duration",
}


def rows_of(told: ModuleType) -> Iterator[dict[str, Any]]:
    """Every row with the entries it tells of (`about`) and what differs from it (`differs`)."""
    for row in told.rows_of(*RULES):
        for case in row["cases"]:
            yield {"about": {row["code"]}, "differs": told.judged_differs, "row": {**row, "case": case}}
    for row in told.rows_of("risk_profile"):
        codes = {"SUP-ARE-onset", "SUP-SURV-shorten", *row["expect"].get("predictions", {})}
        yield {
            "about": codes | set(row["expect"].get("ratios", {})),
            "differs": told.risk_differs,
            "row": row,
        }
    for row in told.rows_of("treatment"):
        yield {"about": {"ARE-MGMT-bevacizumab-cautions"}, "differs": told.treatment_differs, "row": row}
    for row in told.rows_of("workup"):
        yield {"about": {"ARE-DX-report-uncertainty"}, "differs": told.workup_differs, "row": row}
    for row in told.rows_of("schedule"):
        if "calendar" not in row:
            yield {"about": SCHEDULE, "differs": told.plan_differs, "row": row}


def comes_out(row: mutation.Row, known: Knowledge) -> bool:
    """Whether the row comes out as told; a value without which it cannot be judged does not go unnoticed."""
    differs: Callable[[Any, Knowledge], list[str]] = row["differs"]
    try:
        return differs(row["row"], known) == []
    except (KeyError, ValueError):
        return False


def test_no_changed_value_goes_unnoticed(told: ModuleType) -> None:
    known = knowledge.load(OFF)
    rows = [row for row in rows_of(told) if comes_out(row, known)]
    assert mutation.survivors(known, rows, comes_out, lambda row: row["about"]) == []
