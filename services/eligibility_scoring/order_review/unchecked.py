"""What could not be checked, for want of which facts: said, so that silence never looks like consent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eligibility_scoring.order_review.order import RADIOSURGERY, Order
from eligibility_scoring.order_review.remark import Remark
from isodose.clinical import facts
from isodose.clinical.finding import Finding

REQUIRED = ("F1-status", "F1-burden")
"""What must be known for an order to be checked at all; of a single fraction also F1-fraction."""


def check(orders: Sequence[Order]) -> Iterator[Remark]:
    """One remark that names the missing facts; none where all could be checked."""
    findings = [finding for order in orders for finding in _undecided(order)]
    names = {name for f in findings for name in f.missing} | {n for o in orders for n in _missing(o)}
    lines = tuple(dict.fromkeys(line for order in orders for line in _untargeted(order)))
    if names or lines:
        told = f"{len(names)} facts are not known" if len(names) != 1 else "1 fact is not known"
        title = f"This order could not be checked fully: {told if names else 'it names no lesion'}"
        asked = (f"Not known: {facts.definition(name).definition} ({name})" for name in sorted(names))
        yield Remark("order-unchecked", title, serious=False, lines=(*asked, *lines))


def _undecided(order: Order) -> Iterator[Finding]:
    codes = (*REQUIRED, "F1-fraction") if order.kind == "single_srs" else REQUIRED
    for code in codes:
        yield from order.concerning(code, "unknown")


def _missing(order: Order) -> Iterator[str]:
    """What a dose cannot be compared without."""
    for target in order.targets:
        yield from target.advice.missing
        if not target.setting:
            yield "lesion_setting"
        for term in (target.total, target.fractions):
            yield from term.missing if not term.known else ()


def _untargeted(order: Order) -> Iterator[str]:
    if order.kind in RADIOSURGERY and not order.targets:
        yield "The order names no lesion that is on record: dose, size and sequence were not compared."
