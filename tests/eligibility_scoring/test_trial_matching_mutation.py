"""Each value of the entries on trials decides some scenario: changed, a row comes out otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import knowledge_mutation as mutation
from isodose.clinical.knowledge import Knowledge

Row = dict[str, Any]


def test_no_changed_value_of_an_entry_on_trials_goes_unnoticed(
    rows: tuple[Row, ...], knowledge: Knowledge, differs: Callable[..., list[str]]
) -> None:
    own = Knowledge({code: e for code, e in knowledge.entries.items() if code.startswith("TRIAL-")})
    told = [row for row in rows if row["file"] == "trial_matching"]
    survivors = []
    for mutant in mutation.mutants(own):
        changed = Knowledge({**knowledge.entries, **mutant.knowledge.entries})
        about = [row for row in told if mutant.code in row["verdicts"]]
        if all(differs(row, changed) == [] for row in about):
            survivors.append(mutant.place)
    assert survivors == []
