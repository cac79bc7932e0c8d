"""Each value of the knowledge decides some scenario: changed by one step, a row must come out otherwise."""

from __future__ import annotations

from typing import Any

import pytest

import knowledge_mutation as mutation
from alert_scenarios import SCENARIOS, TODAY, offered, record_of
from ici_steroid_alerts import decision, knowledge
from ici_steroid_alerts.situation import Situation
from isodose.clinical import rules
from isodose.clinical.derive.acting import figures
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

OFF = ("SUP-HOLD-oligocare", "SUP-HOLD-vegfr-tki-surgery")
_SEEN: dict[str, PatientRecord] = {}


def test_no_changed_value_goes_unnoticed() -> None:
    assert mutation.survivors(knowledge.load(enable=OFF), SCENARIOS, comes_out, about) == []


@pytest.mark.parametrize("row", [r for r in SCENARIOS if "offers" in r], ids=lambda r: str(r["name"]))
def test_a_card_offers_what_the_row_says(row: dict[str, Any]) -> None:
    assert comes_out(row, knowledge.load())


def figures_agree(known: Knowledge) -> bool:
    table = known.values("SUP-ICIPK-half-life-table", TODAY)
    equal = known.values("SUP-STER-equivalence", TODAY)["equal_to_prednisone_5_mg"]
    return (
        figures().half_life_days == table["half_life_days"]
        and sorted(figures().recalled_half_lives) == sorted(table["recalled"])
        and figures().equal_to_prednisone_5_mg == equal
    )


def about(row: mutation.Row) -> set[str]:
    return set(row.get("expect", {})) | set(row.get("of", ())) | set(row.get("figures", ()))


def comes_out(row: mutation.Row, known: Knowledge) -> bool:
    """Whether the row's verdicts and offers are as told; only the rules it speaks of are judged.

    A row that says `figures` holds the tables of the knowledge to those by which drug facts are derived.
    """
    if "figures" in row:
        return figures_agree(known)
    name = str(row["name"])
    if name not in _SEEN:
        _SEEN[name] = decision.as_seen(record_of(dict(row)), TODAY)
    seen = _SEEN[name]
    told = [rule for rule in decision.RULES if rule.code in row.get("expect", {})]
    findings = rules.judge(told, seen, known, TODAY)
    for code, expected in row.get("expect", {}).items():
        found = [f for f in findings if f.code == code]
        if expected in ("met", "not-met", "unknown"):
            if {f.verdict for f in found} != {expected}:
                return False
        elif [f.value for f in found] != [
            pytest.approx(expected, abs=0.001) if isinstance(expected, float) else expected
        ]:
            return False
    if "offers" in row:
        situation = Situation(seen, decision.judged(seen, known, TODAY), known, TODAY)
        labels = " | ".join(offered(dict(row), situation))
        return all(words in labels for words in row["offers"])
    return True
