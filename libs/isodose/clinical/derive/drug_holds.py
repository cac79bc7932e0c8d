"""How long a drug was held around radiation: by the days on which orders end, pause and begin anew.

Sound only. Where an order runs through the days in question, or its last day is not told, nothing follows:
neither that the drug was taken on them nor that it was not. A day on which the drug may still have been taken
counts as a day of the drug, so that no hold is told longer than it was. (decision 21)
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from isodose.clinical import facts
from isodose.clinical.derive.acting import is_anticancer, least
from isodose.clinical.derive.courses import last_day
from isodose.clinical.derive.subjects import Derived
from isodose.clinical.record import Certainty, Course, Exposure, Fact, PatientRecord
from isodose.clinical.timeline import course_period

HELD_AROUND_RADIATION = ("braf_inhibitor", "mek_inhibitor")
_RADIATION = ("single_srs", "fsrs", "wbrt", "ha_wbrt", "focal")
_NEAR_DAYS = 28
_BEFORE, _AFTER = "braf_mek_hold_days_before", "braf_mek_hold_days_after"
_HELD = "systemic_hold_days_for_local_therapy"
_FOR_LOCAL_THERAPY = re.compile(
    r"radiosurg|radiotherap|radiation (?:therapy|treatment)|\bf?srs\b|\bwbrt\b|gamma knife|cyberknife"
    r"|craniotomy|brain surgery|local (?:brain )?therapy"
)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Days over which one resource says that the drug may be taken; an end that is not told is None."""

    exposure: Exposure
    first: dt.date | None
    last: dt.date | None

    @property
    def given(self) -> bool:
        return bool(self.exposure.given_on)


def hold_facts(record: PatientRecord, on: dt.date) -> list[Derived]:
    """The days without BRAF or MEK inhibitor before and after each course that is ahead or ended within four
    weeks, and for how long other systemic therapy has been held for one where its order says that it is.
    """
    courses = [c for c in record.courses if c.kind in _RADIATION and c.status != "stopped" and not c.draft]
    if not courses:
        return []
    stretches = _stretches([e for e in record.exposures if e.drug_class in HELD_AROUND_RADIATION], on)
    found: list[Derived] = []
    if stretches:
        for course in courses:
            found += [("course", course.ref, fact) for fact in _around(stretches, course, on)]
    return [*found, *_held_for_local_therapy(record, courses, on)]


def _stretches(exposures: Sequence[Exposure], on: dt.date) -> list[_Stretch]:
    ordered = [e for e in exposures if not e.draft and e.status != "planned"]
    return [_Stretch(e, min(e.given_on, default=e.start), _last_day(e, on)) for e in ordered]


def _last_day(exposure: Exposure, on: dt.date) -> dt.date | None:
    """The last day on which the drug may have been taken; None where it is not told."""
    if exposure.given_on:
        return max(exposure.given_on)
    if exposure.status == "unknown" or (exposure.status == "on-hold" and exposure.end and exposure.end > on):
        return None
    return exposure.end


def _around(stretches: Sequence[_Stretch], course: Course, on: dt.date) -> Iterator[Fact]:
    period, last_fraction = course_period(course), last_day(course)
    if period.first is None or (period.last is not None and last_fraction is None):
        return
    if last_fraction is not None and (on - last_fraction).days > _NEAR_DAYS:
        return
    before = [s for s in stretches if s.first is None or s.first <= period.first]
    if (told := _days_before(before, stretches, period.first)) is not None:
        yield _fact(_BEFORE, *told, course, on)
    if last_fraction is not None and (told := _days_after(stretches, last_fraction)) is not None:
        yield _fact(_AFTER, *told, course, on)


def _days_before(
    before: Sequence[_Stretch], stretches: Sequence[_Stretch], first_fraction: dt.date
) -> tuple[int, _Stretch] | None:
    """Whole days without the drug between its last day and the first fraction."""
    if (dose := _dose_on(before, first_fraction, first_fraction - dt.timedelta(days=1))) is not None:
        return 0, dose
    orders = [s for s in before if not _is_dispensed(s)]
    if not orders or any(s.last is None or s.last >= first_fraction for s in orders):
        return None
    ended = max(orders, key=lambda s: (s.last or dt.date.min, s.exposure.ref))
    last = ended.last or first_fraction
    if any(_is_dispensed(s) and (s.first is None or s.first > last) for s in before):
        return None
    if ended.given and not any(s.given and s.first and s.first > first_fraction for s in stretches):
        return None
    return max(0, (first_fraction - last).days - 1), ended


def _days_after(stretches: Sequence[_Stretch], last_fraction: dt.date) -> tuple[int, _Stretch] | None:
    """Whole days without the drug between the last fraction and the day on which it begins anew."""
    if (dose := _dose_on(stretches, last_fraction, last_fraction + dt.timedelta(days=1))) is not None:
        return 0, dose
    orders = [s for s in stretches if not _is_dispensed(s)]
    earlier = [s for s in orders if s.first is None or s.first <= last_fraction]
    later = [s for s in orders if s.first is not None and s.first > last_fraction]
    if not later or any(s.last is None or s.last > last_fraction for s in earlier):
        return None
    anew = min(later, key=lambda s: (s.first or dt.date.max, s.exposure.ref))
    begins = anew.first or last_fraction
    if any(_is_dispensed(s) and s.first and last_fraction < s.first < begins for s in stretches):
        return None
    if anew.given and not any(s.given for s in earlier):
        return None
    return max(0, (begins - last_fraction).days - 1), anew


def _dose_on(stretches: Sequence[_Stretch], *days: dt.date) -> _Stretch | None:
    """A recorded dose on one of the days."""
    found = [s for s in stretches if set(s.exposure.given_on) & set(days)]
    return min(found, key=lambda s: s.exposure.ref, default=None)


def _is_dispensed(stretch: _Stretch) -> bool:
    """Handed over, which tells nothing of the days on which it is taken."""
    return stretch.exposure.ref.startswith("MedicationDispense/")


def _held_for_local_therapy(
    record: PatientRecord, courses: Sequence[Course], on: dt.date
) -> Iterator[Derived]:
    """The longest hold for each course, those that the consensus wants around radiation not counted."""
    longest: dict[str, tuple[int, str, Exposure, Course]] = {}
    for exposure in record.exposures:
        days = _days_held(exposure, record, on)
        course = _nearest(courses, exposure.end or on) if days is not None else None
        if days is not None and course is not None:
            told = (days, exposure.ref, exposure, course)
            longest[course.ref] = max(told, longest.get(course.ref, told), key=lambda one: one[:2])
    for ref, (days, _, exposure, course) in longest.items():
        yield "course", ref, _fact(_HELD, days, _Stretch(exposure, None, exposure.end), course, on)


def _days_held(exposure: Exposure, record: PatientRecord, on: dt.date) -> int | None:
    """Days since the order was held for local therapy, while it is. None where the day is not told, or where
    another source says that the drug goes on or has begun anew: a hold that is over asks for nothing.
    """
    if exposure.status != "on-hold" or exposure.end is None or exposure.end > on:
        return None
    if exposure.drug_class in HELD_AROUND_RADIATION or not is_anticancer(exposure):
        return None
    if not _FOR_LOCAL_THERAPY.search(exposure.status_reason.lower()):
        return None
    held_since = exposure.end
    same = [e for e in record.exposures if e.concept == exposure.concept and e is not exposure]
    others = [s for s in _stretches(same, on) if not _is_dispensed(s)]
    if any(s.last is None or s.last > held_since for s in others):
        return None
    return (on - held_since).days


def _nearest(courses: Sequence[Course], day: dt.date) -> Course | None:
    near = [(abs((c.start - day).days), c.ref, c) for c in courses if c.start is not None]
    near = [one for one in near if one[0] <= _NEAR_DAYS]
    return min(near, key=lambda one: one[:2])[2] if near else None


def _fact(name: str, days: int, stretch: _Stretch, course: Course, on: dt.date) -> Fact:
    exposure = stretch.exposure
    day = stretch.first if name == _AFTER else stretch.last
    certainty: Certainty = "sure" if stretch.given and not days else "likely"
    drug = exposure.concept.replace("_", " ")
    told = {
        _BEFORE: f"{drug} last on {day}",
        _AFTER: f"{drug} from {day} on",
    }.get(name, f"{drug} held since {day}: {exposure.status_reason}")
    return Fact(
        name=name,
        value=days,
        unit=facts.definition(name).unit,
        on=day if day is not None and day <= on else None,
        source=exposure.ref,
        certainty=least(certainty, exposure.certainty, course.certainty),
        stated=False,
        reasons=(f"{told}; {course.ref} from {course.start}",),
    )
