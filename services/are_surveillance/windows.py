"""Windows for surveillance MRI: laid out from a course's last day, closed by scans, the rest chained ahead.

The days of a window follow from the course, the scans done and the interval alone. The day on which one looks
decides only its state.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from are_surveillance.anchors import Anchor
from isodose.clinical import timeline
from isodose.clinical.knowledge import Knowledge, Values
from isodose.clinical.record import Scan
from isodose.clinical.timeline import Window


@dataclass(frozen=True, slots=True)
class Slot:
    """The `number`-th surveillance scan after a course: its window, why it lies there, what scan closed it.

    `basis` is the catalogue id whose interval was taken: at most `weeks`, counted from the day `since`.
    """

    anchor: Anchor
    number: int
    window: Window
    since: dt.date
    weeks: float
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


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The intervals in force, shortened or not."""

    first: Values
    default: Values
    shorten: Values
    shortened: bool

    @classmethod
    def of(cls, knowledge: Knowledge, on: dt.date, *, shortened: bool) -> Rhythm:
        codes = ("SUP-SURV-first-scan", "SUP-SURV-default-interval", "SUP-SURV-shorten")
        first, default, shorten = (knowledge.values(code, on) for code in codes)
        return cls(first, default, shorten, shortened)

    def first_slot(self, anchor: Anchor) -> Slot:
        earliest = self.shorten["first_earliest_weeks"] if self.shortened else self.first["earliest_weeks"]
        target = self.shorten["latest_weeks"] if self.shortened else self.first["target_weeks"]
        code = "SUP-SURV-shorten" if self.shortened else "SUP-SURV-first-scan"
        return _slot(anchor, 1, anchor.day, (earliest, target, self.first["latest_weeks"]), code)

    def next_slot(self, anchor: Anchor, number: int, since: dt.date) -> Slot:
        months = timeline.months_between(anchor.day, since)
        if self.shortened and months < self.shorten["until_months"]:
            earliest, latest = self.shorten["earliest_weeks"], self.shorten["latest_weeks"]
            return _slot(anchor, number, since, (earliest, latest, latest), "SUP-SURV-shorten")
        stage = "early" if months < self.default["early_until_months"] else "later"
        earliest, latest = self.default[f"{stage}_earliest_weeks"], self.default[f"{stage}_weeks"]
        return _slot(anchor, number, since, (earliest, latest, latest), "SUP-SURV-default-interval")

    def counts_from(self, slot: Slot) -> dt.date:
        """The first day on which a scan closes the slot."""
        if slot.number == 1:
            return timeline.weeks_after(slot.since, self.first["counts_from_weeks"])
        return timeline.weeks_after(slot.window.earliest, -self.default["near_weeks"])


def _slot(anchor: Anchor, number: int, since: dt.date, weeks: tuple[float, float, float], basis: str) -> Slot:
    earliest, target, latest = (timeline.weeks_after(since, w) for w in weeks)
    return Slot(anchor, number, Window(earliest, target, latest), since, weeks[2], basis)


def close(anchor: Anchor, scans: Iterable[Scan], rhythm: Rhythm) -> tuple[list[Slot], list[Outside], Slot]:
    """The slots closed by `scans` (dated, done, in order, after the course), the scans outside every
    window, and the first slot still open.
    """
    closed: list[Slot] = []
    outside: list[Outside] = []
    slot = rhythm.first_slot(anchor)
    for scan in scans:
        if scan.on is None:
            continue
        if scan.on >= rhythm.counts_from(slot):
            closed.append(_with_scan(slot, scan))
            slot = rhythm.next_slot(anchor, slot.number + 1, scan.on)
        elif slot.number == 1:
            outside.append(Outside(scan, _too_early(scan, slot)))
        else:
            outside.append(
                Outside(
                    scan,
                    f"Before the window that opens on {slot.window.earliest}; the next one "
                    "counts from this scan.",
                )
            )
            slot = rhythm.next_slot(anchor, slot.number, scan.on)
    return closed, outside, slot


def _too_early(scan: Scan, slot: Slot) -> str:
    weeks = timeline.weeks_between(slot.since, scan.on or slot.since)
    return (
        f"{weeks:g} weeks after radiosurgery: too early to read as the first follow-up, which stays wanted."
    )


def _with_scan(slot: Slot, scan: Scan) -> Slot:
    return Slot(slot.anchor, slot.number, slot.window, slot.since, slot.weeks, slot.basis, scan)


def ahead(slot: Slot, rhythm: Rhythm) -> Iterator[Slot]:
    """`slot` and those that follow it, each counted from the target day of the one before. Endless."""
    while True:
        yield slot
        slot = rhythm.next_slot(slot.anchor, slot.number + 1, slot.window.target)


def follow_up_scans(scans: Iterable[Scan], on: dt.date, same_scan_days: int) -> Sequence[Scan]:
    """Brain MRI done by the day `on`, in order; a study and its report within some days count once."""
    done = sorted(
        (
            s
            for s in scans
            if s.on and s.on <= on and (s.modality, s.region, s.status) == ("MR", "brain", "done")
        ),
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
