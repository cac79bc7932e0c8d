"""A range of numbers as the review prints it: with or without its ends, or open on one side."""

from __future__ import annotations

from dataclasses import dataclass

from isodose.clinical.logic import Term


@dataclass(frozen=True, slots=True)
class Limits:
    """None where the range has no end; `from_low` and `to_high` tell whether the ends belong to it."""

    low: float | None = None
    high: float | None = None
    from_low: bool = True
    to_high: bool = True

    def holds(self, value: Term) -> Term:
        result = Term(True)
        if self.low is not None:
            result = result & (value >= self.low if self.from_low else value > self.low)
        if self.high is not None:
            result = result & (value <= self.high if self.to_high else value < self.high)
        return result

    def __str__(self) -> str:
        if self.low is not None and self.high is not None and self.from_low and self.to_high:
            return f"{self.low:g}-{self.high:g}"
        low = "" if self.low is None else f"{'from' if self.from_low else 'above'} {self.low:g}"
        high = "" if self.high is None else f"{'up to' if self.to_high else 'below'} {self.high:g}"
        return f"{low} {high}".strip()
