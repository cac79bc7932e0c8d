"""Days between drugs and radiation or surgery: the distances on which timing rules rest.

Positive days from SRS to a checkpoint inhibitor mean that the drug came after SRS. The sign follows the first
dose (which of the two came first), the number of days the dose nearest to SRS on that side.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from isodose.clinical.derive.acting import Acting, cycle_days, least, planned_from
from isodose.clinical.derive.subjects import Derived
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord
from isodose.clinical.timeline import Period, course_period

_SRS = ("single_srs", "fsrs")
_SPANNING_DAYS = 28
OPERATION_LOOKBACK_DAYS = 42


def interval_facts(record: PatientRecord, on: dt.date) -> list[Derived]:
    """The intervals of each radiosurgery course, then of each operation."""
    found: list[Derived] = []
    for course in record.courses:
        facts = (*_ici_interval(record, course, on), *_conjugate_interval(record, course, on))
        found.extend(("course", course.ref, fact) for fact in facts)
    for operation in record.operations:
        facts = tuple(_bevacizumab_interval(record, operation, on))
        found.extend(("course", operation.ref, fact) for fact in facts)
    return found


def _ici_interval(record: PatientRecord, course: Course, on: dt.date) -> Iterable[Fact]:
    srs = _srs_period(course)
    if srs is None or srs.first is None:
        return
    given = [e for e in record.exposures if e.drug_class.startswith("ici_")]
    doses = doses_of(given, on)
    if not doses or _dose_may_be_nearer(given, doses, srs, on):
        return
    first = min(doses, key=lambda dose: (_days(srs, dose), dose.exposure.ref))
    same_side = [dose for dose in doses if (_days(srs, dose) < 0) == (_days(srs, first) < 0)]
    nearest = _nearest(same_side, srs)
    yield _interval("days_from_srs_to_ici", _days(srs, nearest), nearest, course, on)


def doses_of(exposures: Sequence[Exposure], on: dt.date) -> list[Acting]:
    """Dated doses of infused drugs: administrations; of an order its first day and, where its words tell the
    cycle and no administration of the drug is recorded, the days that follow; planned doses by their day.
    """
    recorded = {exposure.concept for exposure in exposures if exposure.given_on}
    return [
        dose
        for exposure in exposures
        for dose in _doses(exposure, on, None if exposure.concept in recorded else cycle_days(exposure))
    ]


def _doses(exposure: Exposure, on: dt.date, cycle: int | None) -> list[Acting]:
    name = exposure.concept.replace("_", " ")
    if exposure.given_on:
        days = [day for day in exposure.given_on if day <= on]
        return [Acting(exposure, exposure.certainty, day, f"{name} given on {day}") for day in days]
    if exposure.start is None:
        return []
    certainty = least(exposure.certainty, "likely")
    if planned_from(exposure, on):
        if exposure.start < on:
            return []
        return [Acting(exposure, certainty, exposure.start, f"{name} planned for {exposure.start}")]
    if exposure.status not in ("active", "completed", "stopped", "on-hold"):
        return []
    days = [exposure.start]
    last = exposure.end or (on if exposure.status == "active" else exposure.start)
    while cycle and days[-1] + dt.timedelta(days=cycle) <= last:
        days.append(days[-1] + dt.timedelta(days=cycle))
    return [Acting(exposure, certainty, day, f"{name} ordered for {day}") for day in days]


def _dose_may_be_nearer(
    given: Sequence[Exposure], doses: Sequence[Acting], period: Period, on: dt.date
) -> bool:
    """An order runs over the period from long before, and no known dose lies near: it cannot be told how far
    the nearest dose was.
    """
    if any(abs(_days(period, dose)) <= _SPANNING_DAYS for dose in doses):
        return False
    recorded = {e.concept for e in given if e.given_on}
    for e in given:
        if e.given_on or e.start is None or planned_from(e, on):
            continue
        if cycle_days(e) and e.concept not in recorded:
            continue
        runs_on = e.end is None or period.first is None or e.end > period.first
        long_before = period.first is not None and (period.first - e.start).days > _SPANNING_DAYS
        if runs_on and long_before and e.status in ("active", "completed", "stopped"):
            return True
    return False


def _conjugate_interval(record: PatientRecord, course: Course, on: dt.date) -> Iterable[Fact]:
    srs = _srs_period(course)
    if srs is None:
        return
    given = [e for e in record.exposures if e.drug_class.startswith("adc_")]
    doses = doses_of(given, on)
    if not doses or _dose_may_be_nearer(given, doses, srs, on):
        return
    nearest = _nearest(doses, srs)
    yield _interval("adc_interval_days", abs(_days(srs, nearest)), nearest, course, on)


def _bevacizumab_interval(record: PatientRecord, operation: Operation, on: dt.date) -> Iterable[Fact]:
    if operation.on is None or operation.status not in ("planned", "done"):
        return
    if (on - operation.on).days > OPERATION_LOOKBACK_DAYS:
        return
    day = Period(operation.on, operation.on)
    given = [e for e in record.exposures if e.drug_class == "anti_vegf" and e.route in ("", "systemic")]
    doses = doses_of(given, on)
    before = [a for a in doses if _days(day, a) <= 0]
    after = [a for a in doses if _days(day, a) > 0]
    if before and not _dose_may_be_nearer(given, before, day, on):
        last = max(before, key=lambda dose: (_days(day, dose), dose.exposure.ref))
        yield _interval("days_from_bevacizumab_to_surgery", -_days(day, last), last, operation, on)
    if after:
        following = min(after, key=lambda dose: (_days(day, dose), dose.exposure.ref))
        value = _days(day, following)
        yield _interval("days_from_surgery_to_bevacizumab", value, following, operation, on)


def _interval(name: str, days: int, dose: Acting, event: Course | Operation, on: dt.date) -> Fact:
    """How far the dose lies from the course or the operation, no surer than either."""
    day = event.start if isinstance(event, Course) else event.on
    event_certainty = event.certainty if isinstance(event, Course) else "sure"
    return Fact(
        name=name,
        value=days,
        unit="d",
        on=dose.on if dose.on is not None and dose.on <= on else None,
        source=dose.exposure.ref,
        certainty=least(dose.certainty, event_certainty),
        stated=False,
        reasons=(f"{dose.reason}; {event.ref} on {day}",),
    )


def _nearest(doses: Sequence[Acting], period: Period) -> Acting:
    return min(doses, key=lambda dose: (abs(_days(period, dose)), _days(period, dose), dose.exposure.ref))


def _srs_period(course: Course) -> Period | None:
    if course.kind not in _SRS or course.status == "stopped":
        return None
    period = course_period(course)
    return period if period.first is not None else None


def _days(period: Period, dose: Acting) -> int:
    """Days from `period` to the dose: negative before its first day, 0 inside, positive after its last."""
    first = period.first or dt.date.max
    last = period.last or first
    day = dose.on or first
    if day < first:
        return (day - first).days
    return (day - last).days if day > last else 0
