"""The dose that an order gives in words alone, such as `27 Gy in 3 fractions`."""

from __future__ import annotations

import re

from isodose.mcode.chart import Resource, items
from isodose.mcode.doses import VolumeDose

_SCHEDULE = re.compile(
    r"(?<![\d.])(\d{1,2}(?:\.\d{1,2})?) ?Gy ?(?:in|/|x|over) ?(\d{1,2}) ?(?:fractions?\b|fx\b|#)",
    re.IGNORECASE,
)


def dose_in_words(order: Resource) -> VolumeDose | None:
    """Total dose and fractions where the words of the order name one schedule; None where none or several."""
    told = [order.get("code"), *items(order.get("orderDetail"))]
    texts = [str(concept.get("text") or "") for concept in told if isinstance(concept, dict)]
    named = {(float(gy), int(fractions)) for text in texts for gy, fractions in _SCHEDULE.findall(text)}
    if len(named) != 1:
        return None
    total, fractions = named.pop()
    return VolumeDose("", total, None, fractions, in_words=True) if total and fractions else None
