"""Windows for surveillance MRI: laid out from a course's last day, closed by scans, the rest chained ahead.

The days of a window follow from the course, the scans done and the interval alone. The day on which one looks
decides only its state.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from are_surveillance.anchors import Anchor
from are_surveillance.knowledge import working_days
from are_surveillance.working_days import WorkingDays
from isodose.clinical import timeline
from isodose.clinical.knowledge import Knowledge, Values
from isodose.clinical.record import Scan
from isodose.clinical.timeline import Window

REPEAT = "SUP-SURV-suspicious-repeat"
_CODES = ("SUP-SURV-first-scan", "SUP-SURV-default-interval", "SUP-SURV-shorten")


@dataclass(frozen=True, slots=True)
class Slot:
    """The `number`-th surveillance scan after a course: its window, why it lies there, what scan closed it.

    `basis` is the catalogue id whose interval was taken, counted from the day `since`. `allowed` is that
    interval; `window` its part from the first to the last working day.
    """

    anchor: Anchor
    number: int
    window: Window
    allowed: Window
    since: dt.date
    basis: str
    scan: Scan | None = None

    @property
    def key(self) -> str:
        """Stays the same while days pass, facts change and scans arrive."""
        return f"{self.anchor.course.ref}/{self.number}"


@dataclass(frozen=True, slots=True)
class Outside:
    """A scan that falls in no window, and what that means for the plan."""

    scan: Scan
    why: str


Shortened = Callable[[Anchor, dt.date], tuple[str, ...]]
"""The entries that shorten the interval after a course, as known on a day."""


def never_shortened(_anchor: Anchor, _day: dt.date) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The intervals in force, and what changes them. `on` is the day on which one looks."""

    first: Values
    default: Values
    shorten: Values
    repeat: Values
    reasons: Shortened
    repeats: tuple[dt.date, ...]
    days: WorkingDays
    on: dt.date

    @classmethod
    def of(cls, knowledge: Knowledge, on: dt.date, reasons: Shortened, repeats: Iterable[dt.date]) -> Rhythm:
        """`repeats` are days on which a change without symptoms was seen: a scan is repeated after them."""
        codes = (*_CODES, "SUP-SURV-suspicious-repeat")
        first, default, shorten, repeat = (knowledge.values(code, on) for code in codes)
        return cls(first, default, shorten, repeat, reasons, tuple(repeats), working_days(knowledge), on)

    def first_of(self, anchor: Anchor, closed_on: dt.date | None) -> Slot:
        """The first slot of a course, closed by a scan on `closed_on` or open; a short-interval one where a
        change was seen before any scan.
        """
        seen = self._seen(anchor.day, closed_on)
        if seen is not None:
            return self.repeat_slot(anchor, 1, seen)
        shortened = bool(self.reasons(anchor, closed_on or self.on))
        earliest = self.shorten["first_earliest_weeks"] if shortened else self.first["earliest_weeks"]
        target = self.shorten["latest_weeks"] if shortened else self.first["target_weeks"]
        code = "SUP-SURV-shorten" if shortened else "SUP-SURV-first-scan"
        return self._slot(anchor, 1, anchor.day, (earliest, target, self.first["latest_weeks"]), code)

    def after_scan(self, anchor: Anchor, number: int, since: dt.date, closed_on: dt.date | None) -> Slot:
        """The slot that follows a scan on `since`; a short-interval one where a change was seen from then on
        and before the scan that came next.
        """
        seen = self._seen(since, closed_on)
        if seen is not None:
            return self.repeat_slot(anchor, number, seen)
        return self.next_slot(anchor, number, since, closed_on)

    def _seen(self, since: dt.date, before: dt.date | None) -> dt.date | None:
        until = before or dt.date.max
        return max((day for day in self.repeats if since <= day < until), default=None)

    def repeat_slot(self, anchor: Anchor, number: int, seen: dt.date) -> Slot:
        """The short-interval repeat after a change seen on a day."""
        weeks = (self.repeat["earliest_weeks"], self.repeat["latest_weeks"], self.repeat["latest_weeks"])
        return self._slot(anchor, number, seen, weeks, REPEAT)

    def next_slot(
        self, anchor: Anchor, number: int, since: dt.date, closed_on: dt.date | None = None
    ) -> Slot:
        """The regular slot that follows the day `since`."""
        months = timeline.months_between(anchor.day, since)
        soon = months < self.shorten["until_months"]
        if soon and self.reasons(anchor, closed_on or self.on):
            earliest, latest = self.shorten["earliest_weeks"], self.shorten["latest_weeks"]
            return self._slot(anchor, number, since, (earliest, latest, latest), "SUP-SURV-shorten")
        stage = "early" if months < self.default["early_until_months"] else "later"
        earliest, latest = self.default[f"{stage}_earliest_weeks"], self.default[f"{stage}_weeks"]
        return self._slot(anchor, number, since, (earliest, latest, latest), "SUP-SURV-default-interval")

    def _slot(
        self, anchor: Anchor, number: int, since: dt.date, weeks: tuple[float, float, float], basis: str
    ) -> Slot:
        allowed = Window(*(timeline.weeks_after(since, w) for w in weeks))
        return Slot(anchor, number, self.days.within(allowed), allowed, since, basis)

    def counts_from(self, slot: Slot) -> dt.date:
        """The first day on which a scan closes the slot."""
        if slot.number == 1 and slot.basis != REPEAT:
            return timeline.weeks_after(slot.since, self.first["counts_from_weeks"])
        return timeline.weeks_after(slot.allowed.earliest, -self.default["near_weeks"])


def close(anchor: Anchor, scans: Sequence[Scan], rhythm: Rhythm) -> tuple[list[Slot], list[Outside], Slot]:
    """The slots closed by `scans` (dated, done, in order, after the course), the scans outside every
    window, and the first slot still open.
    """
    closed: list[Slot] = []
    outside: list[Outside] = []
    days: list[dt.date | None] = [*(scan.on for scan in scans), None]
    slot = rhythm.first_of(anchor, days[0])
    for scan, following in zip(scans, days[1:], strict=True):
        if scan.on is None:
            continue
        if scan.on >= rhythm.counts_from(slot):
            closed.append(replace(slot, scan=scan))
            slot = rhythm.after_scan(anchor, slot.number + 1, scan.on, following)
        elif slot.number == 1 and slot.basis != REPEAT:
            outside.append(Outside(scan, _too_early(scan, slot)))
        else:
            why = (
                f"Before the window that opens on {slot.window.earliest}; the next one counts from this scan."
            )
            outside.append(Outside(scan, why))
            slot = rhythm.after_scan(anchor, slot.number, scan.on, following)
    return closed, outside, slot


def _too_early(scan: Scan, slot: Slot) -> str:
    weeks = timeline.weeks_between(slot.since, scan.on or slot.since)
    return (
        f"{weeks:g} weeks after radiosurgery: too early to read as the first follow-up, which stays wanted."
    )


def ahead(slot: Slot, rhythm: Rhythm, closed_on: dt.date | None = None) -> Iterator[Slot]:
    """`slot` and those that follow it, each counted from the target day of the one before, as known on
    the day of the scan that ended the row of them, or today. Endless.
    """
    while True:
        yield slot
        slot = rhythm.next_slot(slot.anchor, slot.number + 1, slot.window.target, closed_on)


def follow_up_scans(
    scans: Iterable[Scan], on: dt.date, same_scan_days: int, counts: Callable[[Scan], bool]
) -> Sequence[Scan]:
    """Brain scans done by the day `on` of a kind that counts, in order; a study and its report within some
    days count once.
    """
    done = sorted(
        (s for s in scans if s.on and s.on <= on and (s.region, s.status) == ("brain", "done") and counts(s)),
        key=lambda s: (s.on or on, s.ref),
    )
    kept: list[Scan] = []
    for scan in done:
        if not kept or _days_apart(kept[-1], scan) > same_scan_days:
            kept.append(scan)
    return kept


def _days_apart(earlier: Scan, later: Scan) -> int:
    return (later.on - earlier.on).days if earlier.on and later.on else 0


def per_course(anchors: Sequence[Anchor], scans: Sequence[Scan]) -> Iterator[tuple[Anchor, list[Scan]]]:
    """Each course with the scans after it and not after the next one."""
    for anchor, following in itertools.zip_longest(anchors, anchors[1:]):
        until = following.day if following else dt.date.max
        yield anchor, [scan for scan in scans if scan.on and anchor.day < scan.on <= until]
