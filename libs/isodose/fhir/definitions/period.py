"""The invariant per-1, which a schema cannot say: a period does not end before it starts.

https://hl7.org/fhir/R4/datatypes.html#Period
"""

from __future__ import annotations

from typing import Any

from isodose.fhir.dates import bounds

SAME_DAY = 10


class StartBeforeEnd:
    """A JSON schema keyword of our own; it is called for periods only."""

    def __init__(self, _parent: dict[str, Any], _value: Any, _path: list[str | int]) -> None:
        pass

    def validate(self, period: Any) -> None:
        if not isinstance(period, dict):
            return
        start, end = period.get("start"), period.get("end")
        if not isinstance(start, str) or not isinstance(end, str) or start[:SAME_DAY] < end[:SAME_DAY]:
            return
        if start == end:
            return
        try:
            after = bounds(start)[0] > bounds(end)[1]
        except ValueError:
            return  # the pattern of the date itself reports it
        if after:
            raise ValueError("per-1")
