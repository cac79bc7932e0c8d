"""Windows that passed without a scan: nothing is asked for in them any more, and they stay in sight."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile

from are_surveillance import pauses
from are_surveillance.places import Lateness, Place
from are_surveillance.windows import Rhythm, Slot, ahead
from isodose.clinical.record import PatientRecord


def overtaken(closed: Iterable[Slot], rhythm: Rhythm, lateness: Lateness) -> Iterator[Slot]:
    """The windows that a late scan left behind: those after the one it closed that were overdue by then."""
    for slot in closed:
        done = slot.scan.on if slot.scan else None
        if done is not None and done > slot.window.latest:
            yield from islice(_overdue(ahead(slot, rhythm, done), done, lateness), 1, None)


def given_up(
    left_open: Iterable[Slot], begun: Iterable[dt.date], rhythm: Rhythm, lateness: Lateness
) -> Iterator[Slot]:
    """The windows of courses that were followed by another one, which ended on the day in `begun`: those that
    were overdue by then. From that day windows count anew.
    """
    for slot, until in zip(left_open, begun, strict=False):
        yield from _overdue(ahead(slot, rhythm), until, lateness)


def _overdue(slots: Iterable[Slot], by: dt.date, lateness: Lateness) -> Iterator[Slot]:
    return takewhile(lambda slot: lateness.overdue_from(slot) <= by, slots)


def missed(places: Iterable[Place]) -> Iterator[Slot]:
    """The windows since the last scan that passed without one."""
    return (place.slot for place in places if place.state == "missed")


def without_scan(slots: Iterable[Slot], record: PatientRecord, on: dt.date) -> tuple[Slot, ...]:
    """Those in which no brain scan of any kind is on record, and that the team did not pause."""
    scans = [scan.on for scan in record.scans if (scan.region, scan.status) == ("brain", "done")]
    kept = (
        slot
        for slot in slots
        if not any(day is not None and day <= on and slot.window.holds(day) for day in scans)
        and not _is_paused(record, slot.window.latest)
    )
    return tuple(sorted(kept, key=lambda slot: (slot.window.earliest, slot.key)))


def _is_paused(record: PatientRecord, day: dt.date) -> bool:
    said = pauses.standing(record, day)
    return said is not None and said.value != "none"
