"""Drug exposures, courses and scans on one axis of days: periods, windows, overlaps and distances.

Everything here is three-valued where a date is missing: None means that it cannot be told. Days are clinical
days without time zone, as FHIR `date` has them (https://hl7.org/fhir/R4/datatypes.html#date).
"""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from isodose.clinical.record import Course, Exposure, Operation, PatientRecord, Scan

DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
FIRST_DAY = dt.date(1800, 1, 1)
LAST_DAY = dt.date(2999, 12, 31)
"""Days are reckoned from the first to the last of these, so that an interval can be added to any of them."""

_PARTIAL = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})(?:T.*)?)?)?")


class Period(msgspec.Struct, frozen=True, gc=False):
    """Days from `first` to `last`, both inclusive. None is not known, or goes on where `ongoing` says so."""

    first: dt.date | None
    last: dt.date | None
    ongoing: bool = False

    def covers(self, day: dt.date) -> bool | None:
        """Whether `day` lies in the period; None when a missing end leaves it open."""
        if self.first is not None and day < self.first:
            return False
        if self.last is not None and day > self.last:
            return False
        if self.first is None:
            return True if day == self.last else None
        return True if self.last is not None or self.ongoing or day == self.first else None

    def overlaps(self, other: Period) -> bool | None:
        """Whether the two share a day; None when a missing end leaves it open."""
        if _surely_before(self, other) or _surely_before(other, self):
            return False
        meets = [
            self.covers(other.first) if other.first else None,
            self.covers(other.last) if other.last else None,
            other.covers(self.first) if self.first else None,
            other.covers(self.last) if self.last else None,
        ]
        if True in meets or (self.first and other.first and self.ongoing and other.ongoing):
            return True
        return None

    def days_until(self, other: Period) -> int | None:
        """Days from the end of this period to the beginning of `other`; negative when `other` ended first
        (then from the beginning of this back to its end); 0 when they overlap; None when not known.
        """
        if self.overlaps(other):
            return 0
        if self.last is not None and other.first is not None and self.last < other.first:
            return (other.first - self.last).days
        if self.first is not None and other.last is not None and other.last < self.first:
            return (other.last - self.first).days
        return None

    def widened(self, before: int = 0, after: int = 0) -> Period:
        """The period with that many days added at each known end."""
        first = self.first - dt.timedelta(days=before) if self.first else None
        last = self.last + dt.timedelta(days=after) if self.last else None
        return Period(first, last, self.ongoing)


def _surely_before(one: Period, other: Period) -> bool:
    return one.last is not None and other.first is not None and one.last < other.first


@dataclass(frozen=True, slots=True)
class Window:
    """A span in which something is wanted: from `earliest`, best on `target`, not after `latest`."""

    earliest: dt.date
    target: dt.date
    latest: dt.date

    def __post_init__(self) -> None:
        if not self.earliest <= self.target <= self.latest:
            raise ValueError("a window needs earliest <= target <= latest")

    def holds(self, day: dt.date) -> bool:
        return self.earliest <= day <= self.latest


def weeks_after(day: dt.date, weeks: float) -> dt.date:
    """The day that many weeks later."""
    return day + dt.timedelta(days=round(weeks * 7))


def weeks_between(earlier: dt.date, later: dt.date) -> float:
    """Weeks from `earlier` to `later`, negative when `later` is before; two decimals."""
    return round((later - earlier).days / 7, 2)


def months_after(day: dt.date, months: int) -> dt.date:
    """The same day of the month that many calendar months later, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def months_between(earlier: dt.date, later: dt.date) -> float:
    """Calendar months from `earlier` to `later` with the fraction of the running month, never rounded up to
    an anniversary that is still to come. Negative when `later` is before.
    """
    if later < earlier:
        return -months_between(later, earlier)
    whole = (later.year - earlier.year) * 12 + later.month - earlier.month
    if months_after(earlier, whole) > later:
        whole -= 1
    begun = months_after(earlier, whole)
    length = (months_after(earlier, whole + 1) - begun).days
    return whole + ((later - begun).days * 100 // length) / 100


def possible_days(text: str) -> Period | None:
    """The days a FHIR date, partial date or dateTime may stand for: `2026-03` is 1 to 31 March 2026.

    A dateTime counts with the day it names in its own time zone. None when `text` is not a date.
    """
    match = _PARTIAL.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.group("year", "month", "day"))
    try:
        first = dt.date(year or 0, month or 1, day or 1)
    except ValueError:
        return None
    if day is not None:
        return Period(bounded(first), bounded(first))
    last_month = month or 12
    last = dt.date(first.year, last_month, calendar.monthrange(first.year, last_month)[1])
    return Period(bounded(first), bounded(last))


def bounded(day: dt.date) -> dt.date:
    """The day that is reckoned with: EHRs write an open end as a day of the year 9999."""
    return max(FIRST_DAY, min(day, LAST_DAY))


def decision_day(text: str) -> dt.date:
    """The day on which something is to be decided. Raises `ValueError` for what is no day to reckon with."""
    day = dt.date.fromisoformat(text)
    if day != bounded(day):
        raise ValueError(f"not from {FIRST_DAY} to {LAST_DAY}")
    return day


def course_period(course: Course) -> Period:
    """First to last fraction. A single session ends on the day it began."""
    if course.kind == "single_srs" and (course.start is None) != (course.end is None):
        day = course.start or course.end
        return Period(day, day)
    return Period(course.start, course.end, ongoing=course.status == "in-progress" and course.end is None)


def exposure_period(exposure: Exposure) -> Period:
    """First to last known day of a drug, single administrations included; `ongoing` while it is active."""
    first, last = exposure.start, exposure.end
    for day in exposure.given_on:
        first = day if first is None or day < first else first
        last = day if last is None or day > last else last
    if exposure.end is None and exposure.status in ("active", "on-hold", "planned"):
        return Period(first, None, ongoing=exposure.status == "active")
    return Period(first, last)


def merged(periods: Iterable[Period]) -> list[Period]:
    """The periods with known beginnings, in order, those that touch or overlap made one."""
    result: list[Period] = []
    known = (p for p in periods if p.first is not None)
    for period in sorted(known, key=lambda p: (p.first or dt.date.min, p.last or dt.date.max)):
        if result and _touches(result[-1], period):
            result[-1] = _union(result[-1], period)
        else:
            result.append(period)
    return result


def _touches(earlier: Period, later: Period) -> bool:
    if earlier.last is None:
        return earlier.ongoing
    return later.first is not None and later.first <= earlier.last + dt.timedelta(days=1)


def _union(earlier: Period, later: Period) -> Period:
    if earlier.last is None or later.last is None:
        return Period(earlier.first, None, ongoing=earlier.ongoing or later.ongoing)
    return Period(earlier.first, max(earlier.last, later.last))


def nearest_before(days: Iterable[dt.date], day: dt.date) -> dt.date | None:
    """The last of `days` not after `day`."""
    return max((d for d in days if d <= day), default=None)


def nearest_after(days: Iterable[dt.date], day: dt.date) -> dt.date | None:
    """The first of `days` not before `day`."""
    return min((d for d in days if d >= day), default=None)


MomentKind = Literal[
    "course-began", "course-ended", "drug-began", "drug-given", "drug-ended", "scan", "operation"
]


@dataclass(frozen=True, slots=True)
class Moment:
    """One dated event on a patient's axis. `what` is the record's own value."""

    on: dt.date
    event: Literal[
        "course-began", "course-ended", "drug-began", "drug-given", "drug-ended", "scan", "operation"
    ]
    ref: str
    what: Course | Exposure | Scan | Operation


def moments(record: PatientRecord) -> list[Moment]:
    """Everything dated in the record, in order of day; ties by event and reference."""
    found = itertools.chain(
        itertools.chain.from_iterable(_of_course(course) for course in record.courses),
        itertools.chain.from_iterable(_of_exposure(exposure) for exposure in record.exposures),
        (Moment(scan.on, "scan", scan.ref, scan) for scan in record.scans if scan.on),
        (Moment(op.on, "operation", op.ref, op) for op in record.operations if op.on),
    )
    return sorted(found, key=lambda moment: (moment.on, moment.event, moment.ref))


def _of_course(course: Course) -> Iterable[Moment]:
    period = course_period(course)
    if period.first:
        yield Moment(period.first, "course-began", course.ref, course)
    if period.last:
        yield Moment(period.last, "course-ended", course.ref, course)


def _of_exposure(exposure: Exposure) -> Iterable[Moment]:
    if exposure.start:
        yield Moment(exposure.start, "drug-began", exposure.ref, exposure)
    for day in exposure.given_on:
        yield Moment(day, "drug-given", exposure.ref, exposure)
    if exposure.end:
        yield Moment(exposure.end, "drug-ended", exposure.ref, exposure)
