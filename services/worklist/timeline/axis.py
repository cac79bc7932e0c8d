"""Days to places on the axis, and the ticks that let a reader count months."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from isodose.clinical.timeline import months_after

WIDTH, LEFT, RIGHT = 1200, 210, 24
_NEAREST_TICKS = 58
_STEPS = (1, 2, 3, 6, 12, 24, 60)


@dataclass(frozen=True)
class Tick:
    x: float
    text: str
    is_year: bool


@dataclass(frozen=True)
class Axis:
    """The days `first` to `last`, drawn from x = `LEFT` to `WIDTH - RIGHT`."""

    first: dt.date
    last: dt.date

    @property
    def days(self) -> int:
        return max((self.last - self.first).days, 1)

    def x(self, day: dt.date) -> float:
        """The place of a day; one outside the axis is put at its end."""
        share = ((day - self.first).days) / self.days
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - RIGHT - LEFT), 1)

    def holds(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def meets(self, first: dt.date, last: dt.date) -> bool:
        """Whether a span shows at all."""
        return first <= self.last and last >= self.first

    def ticks(self) -> list[Tick]:
        """First days of months, as many as can be read beside one another."""
        months = self.days / 30.4
        most = (WIDTH - RIGHT - LEFT) / _NEAREST_TICKS
        step = next((s for s in _STEPS if months / s <= most), _STEPS[-1])
        day = self.first.replace(day=1)
        while day < self.first or (day.year * 12 + day.month - 1) % step:
            day = months_after(day, 1)
        found: list[Tick] = []
        while day <= self.last:
            january = day.month == 1
            words = f"{day:%Y}" if january else f"{day:%b %Y}" if not found else f"{day:%b}"
            found.append(Tick(self.x(day), words, january))
            day = months_after(day, step)
        return found
