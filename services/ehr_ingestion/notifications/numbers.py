"""Which events of a subscription came: the highest number seen, and what is missing below it.

https://hl7.org/fhir/uv/subscriptions-backport/notifications.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """`seen` is None until the first number is heard. `missing` are ranges, both ends included, in order."""

    seen: int | None = None
    missing: tuple[Range, ...] = ()

    def started(self, total: int) -> Numbers:
        """After a handshake, before whose subscription `total` events were counted: what came before is not
        missed, and a smaller number is a new count.
        """
        if self.seen is None or total < self.seen:
            return Numbers(total)
        return self.told(total)

    def told(self, total: int) -> Numbers:
        """After hearing that there were `total` events so far."""
        if self.seen is None or total <= self.seen:
            return self if self.seen is not None else Numbers(total)
        return Numbers(total, (*self.missing, (self.seen + 1, total)))

    def received(self, numbers: Iterable[int]) -> Numbers:
        """After events with these numbers came, in any order, for the first time or again."""
        now = self
        for number in sorted(set(numbers)):
            if now.seen is None:
                now = Numbers(number)
            elif number > now.seen:
                skipped = ((now.seen + 1, number - 1),) if number > now.seen + 1 else ()
                now = Numbers(number, (*now.missing, *skipped))
            else:
                now = now.without(number, number)
        return now

    def without(self, first: int, last: int) -> Numbers:
        """With nothing missing from `first` to `last`."""
        left: list[Range] = []
        for low, high in self.missing:
            if low < first:
                left.append((low, min(high, first - 1)))
            if high > last:
                left.append((max(low, last + 1), high))
        return Numbers(self.seen, tuple(left))

    def many_missing(self) -> int:
        return sum(high - low + 1 for low, high in self.missing)
