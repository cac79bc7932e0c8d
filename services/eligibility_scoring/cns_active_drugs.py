"""For which tumours the review names a CNS-active drug."""

from __future__ import annotations

from collections.abc import Callable

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def named_for(fact: str, states: str) -> Callable[[View, Values], Term]:
    """A drug is named for the tumour type with this marker in one of these states."""

    def named(f: View, k: Values) -> Term:
        return f["histology"].is_in(k["histologies"]) & f[fact].is_in(k[states])

    return named


def named_for_tumour_type(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


RULES = (
    Rule("SYS-drug-list-egfr", named_for("molecular.EGFR", "egfr")),
    Rule("SYS-drug-list-alk", named_for("molecular.ALK", "alk")),
    Rule("SYS-drug-list-ros1", named_for("molecular.ROS1", "ros1")),
    Rule("SYS-drug-list-ret", named_for("molecular.RET", "ret")),
    Rule("SYS-drug-list-braf", named_for("molecular.BRAF_V600", "braf")),
    Rule("SYS-drug-list-rcc", named_for_tumour_type),
    Rule("SYS-drug-list-her2", named_for("molecular.HER2", "her2")),
    Rule("SYS-drug-list-her2-low", named_for("molecular.HER2", "her2")),
    Rule("SYS-ici-standard-of-care", named_for_tumour_type),
)
