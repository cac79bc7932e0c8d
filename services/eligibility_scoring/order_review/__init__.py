"""What a draft order of cranial radiation should be checked for before it is signed."""

from __future__ import annotations

from collections.abc import Sequence

from eligibility_scoring.order_review import circumstances, dose, sequence, tolerance, unchecked
from eligibility_scoring.order_review.order import Order
from eligibility_scoring.order_review.remark import Remark


def remarks(orders: Sequence[Order]) -> list[Remark]:
    """What speaks against the orders as drafted, serious things first, then what could not be checked."""
    made = [
        remark
        for check in (
            circumstances.before_dose,
            sequence.check,
            dose.check,
            tolerance.check,
            circumstances.after_dose,
        )
        for remark in check(orders)
    ]
    made.sort(key=lambda remark: not remark.serious)
    return [*made, *unchecked.check(orders)]
