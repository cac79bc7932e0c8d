"""On which days a clinic scans: windows move to them, never past the limit that the entry sets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from isodose.clinical.timeline import DAY, Window


def _always(_day: dt.date) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """`works` tells whether the clinic scans on a day; `name` says whose calendar it is."""

    name: str = ""
    works: Callable[[dt.date], bool] = _always

    def within(self, window: Window) -> Window:
        """`window` from its first to its last working day, the target on the last one up to it.

        A window without any working day stays as it is.
        """
        days = [window.earliest + DAY * n for n in range((window.latest - window.earliest).days + 1)]
        working = [day for day in days if self.works(day)]
        if not working:
            return window
        target = max((day for day in working if day <= window.target), default=working[0])
        return Window(working[0], target, working[-1])


EVERY_DAY = WorkingDays()
