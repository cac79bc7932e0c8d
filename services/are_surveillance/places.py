"""The windows of a plan as they stand on a day: planned, booked, due, overdue, lost, missed or completed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from are_surveillance.windows import Rhythm, Slot
from isodose.clinical import timeline
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Scan

State = Literal["planned", "booked", "due", "overdue", "lost", "missed", "completed"]


@dataclass(frozen=True, slots=True)
class Place:
    """A slot as it stands on the day. `arranged` is the scan ordered or booked for it; `overdue_from` the day
    from which it counts as overdue: for one that follows a missed slot, the day the first was missed.
    `lost_from` is the day from which the patient counts as lost to follow-up.
    """

    slot: Slot
    state: State
    overdue_from: dt.date
    lost_from: dt.date
    arranged: Scan | None = None

    @property
    def open(self) -> bool:
        return self.state not in ("completed", "missed")


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long after its latest day a scan counts as overdue, and after that the patient as lost."""

    slack: dt.timedelta
    lost: dt.timedelta

    @classmethod
    def of(cls, knowledge: Knowledge, on: dt.date) -> Lateness:
        known = knowledge.values("SUP-SURV-overdue", on)
        return cls(known["slack_weeks"] * timeline.WEEK, known["lost_after_weeks"] * timeline.WEEK)

    def overdue_from(self, slot: Slot) -> dt.date:
        return slot.allowed.latest + self.slack + timeline.DAY

    def place(
        self, slot: Slot, state: State, overdue_from: dt.date | None = None, arranged: Scan | None = None
    ) -> Place:
        overdue = overdue_from or self.overdue_from(slot)
        return Place(slot, state, overdue, overdue + self.lost, arranged)


def standing(
    slots: Sequence[Slot], rhythm: Rhythm, bookings: Sequence[Scan], lateness: Lateness, on: dt.date
) -> Iterator[Place]:
    """The slots since the last scan as they stand; those that passed without one are missed."""
    active = max((i for i, slot in enumerate(slots) if slot.window.earliest <= on), default=0)
    first_overdue = lateness.overdue_from(slots[0])
    for index, slot in enumerate(slots):
        own_overdue = lateness.overdue_from(slot)
        overdue_from = first_overdue if index <= active else own_overdue
        if index < active:
            yield lateness.place(slot, "missed", overdue_from)
            continue
        following = slots[index + 1].window.earliest if index + 1 < len(slots) else own_overdue
        last_day = following - timeline.DAY if on >= overdue_from else own_overdue - timeline.DAY
        fitting = [s for s in bookings if s.on and rhythm.counts_from(slot) <= s.on <= last_day]
        place = lateness.place(slot, "planned", overdue_from, fitting[0] if fitting else None)
        yield replace(place, state=_state(place, on))


def _state(place: Place, on: dt.date) -> State:
    booked = place.arranged is not None and place.arranged.status == "booked"
    if on >= place.overdue_from:
        return "lost" if on >= place.lost_from and not booked else "overdue"
    if booked:
        return "booked"
    return "due" if place.slot.window.earliest <= on else "planned"
