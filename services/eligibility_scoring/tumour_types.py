"""What each tumour type brings with it: Table 1 of the review."""

from __future__ import annotations

from eligibility_scoring.knowledge import Values
from isodose.clinical.logic import Term
from isodose.clinical.rules import Rule, View


def of_type(f: View, k: Values) -> Term:
    return f["histology"].is_in(k["histologies"])


def her2_positive_breast(f: View, k: Values) -> Term:
    return of_type(f, k) & f["molecular.HER2"].is_in(k["her2"])


RULES = (
    Rule("T1-1", of_type),
    Rule("T1-2", of_type),
    Rule("T1-3", of_type),
    Rule("T1-4", of_type),
    Rule("T1-5", her2_positive_breast),
)
