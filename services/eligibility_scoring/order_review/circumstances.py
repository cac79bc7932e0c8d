"""What a finding of its own says against an order: condition of the patient, burden, set-up, imaging."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eligibility_scoring.order_review.order import CRANIAL, RADIOSURGERY, Order
from eligibility_scoring.order_review.remark import Remark


class Check(NamedTuple):
    """`code` is asked of orders of these kinds; the card says `title` or else the words of the finding.

    A finding `beside` is shown with it where it is met; a remark `unless` makes it needless.
    """

    code: str
    kinds: tuple[str, ...]
    title: str = ""
    verdict: str = "met"
    serious: bool = True
    beside: str = ""
    unless: str = ""


BEFORE_DOSE = (
    Check("SUP-SAFE-pregnancy", CRANIAL),
    Check(
        "F1-status", CRANIAL, "Poor performance status or prognosis: best supportive care usually comes first"
    ),
    Check("ELIG-histology-exceptions", RADIOSURGERY, "Lymphoma or germ-cell tumour: SRS is not the default"),
    Check(
        "ARE-DX-trigger",
        CRANIAL,
        "Change after SRS: tell progression from radiation effect before treating again",
    ),
    Check("F1-urgent", RADIOSURGERY, "Lesion needs urgent surgery: resect first, then postoperative SRS"),
    Check(
        "ELIG-poly-over-10", RADIOSURGERY, "More than ten metastases: guidelines often do not recommend SRS"
    ),
    Check(
        "F1-fraction",
        ("single_srs",),
        "Large target or organ at risk nearby: consider FSRS over a single fraction",
    ),
    Check("DOSE-fsrs-large-or-oar", ("single_srs",), unless="F1-fraction"),
    Check(
        "ELIG-srs-over-wbrt-cognition", ("wbrt", "ha_wbrt"), "One to four metastases: SRS spares cognition"
    ),
    Check(
        "ELIG-wbrt-use-ha-memantine",
        ("wbrt",),
        "WBRT: hippocampal avoidance and memantine lessen cognitive decline",
        beside="SUP-WBRT-memantine-schedule",
    ),
    Check("SUP-WBRT-ha-criteria", ("ha_wbrt",), verdict="not-met"),
)
"""The most serious first."""

AFTER_DOSE = (
    Check("TIME-melanoma-defer-srs", RADIOSURGERY, serious=False),
    Check("DOSE-gtv-imaging", RADIOSURGERY, serious=False),
    Check("DOSE-ptv-margin", RADIOSURGERY, serious=False),
    Check("DOSE-small-target-linac", RADIOSURGERY, serious=False),
    Check("DOSE-mask-fractionation", ("fsrs",), serious=False),
    Check("NEOADJ-tract-meninges-missed", RADIOSURGERY, serious=False),
    Check("NEOADJ-contouring-postop-hard", RADIOSURGERY, serious=False),
)


def before_dose(orders: Sequence[Order]) -> Iterator[Remark]:
    """What may call the whole order into question."""
    yield from _asked(BEFORE_DOSE, orders)


def after_dose(orders: Sequence[Order]) -> Iterator[Remark]:
    """What concerns set-up, target and imaging."""
    yield from _asked(AFTER_DOSE, orders)


def _asked(checks: Sequence[Check], orders: Sequence[Order]) -> Iterator[Remark]:
    made: set[str] = set()
    for check in checks:
        if check.unless in made:
            continue
        concerned = [
            finding
            for order in orders
            if order.kind in check.kinds
            for finding in order.concerning(check.code, check.verdict)
        ]
        if concerned:
            title = check.title or concerned[0].summary
            concerned += [f for order in orders if check.beside for f in order.concerning(check.beside)]
            made.add(check.code)
            once = {(finding.code, finding.applies_to): finding for finding in concerned}
            yield Remark(check.code, title, check.serious, findings=tuple(once.values()))
