"""The next day on which the plan differs although the record does not: a new day touches few patients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from are_surveillance.decision import plan_of
from are_surveillance.open_work import book_from
from are_surveillance.schedule import Plan
from isodose.clinical import timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord


def next_change(
    knowledge: Knowledge, record: PatientRecord, findings: list[Finding], on: dt.date
) -> dt.date | None:
    """The first day after `on` on which a state, an interval or a fact changes; None when none ever will."""
    if record.deceased:
        return None
    plan = plan_of(record, findings, knowledge, on)
    days = (*_of_windows(plan, knowledge, on), *_of_courses(plan, knowledge, on), *_of_record(record))
    return min((day for day in days if day > on), default=None)


def _of_windows(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[dt.date]:
    weeks = knowledge.values("SUP-SURV-default-interval", on)["horizon_weeks"]
    for place in plan.places:
        if place.open:
            yield book_from(place, knowledge, on)
            yield place.slot.window.earliest
            yield place.overdue_from
    if plan.beyond is not None:
        yield timeline.weeks_after(plan.beyond.window.earliest, -weeks)


def _of_courses(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[dt.date]:
    months = (
        knowledge.values("SUP-SURV-default-interval", on)["early_until_months"],
        knowledge.values("SUP-SURV-overdue", on)["early_until_months"],
        knowledge.values("SUP-SURV-duration", on)["ask_from_months"],
    )
    for anchor in plan.anchors.given:
        for count in months:
            yield timeline.months_after(anchor.day, count)


def _of_record(record: PatientRecord) -> Iterator[dt.date]:
    """Days on which something dated in the record begins, and the days after, on which it is past."""
    for moment in timeline.moments(record):
        yield moment.on
        yield moment.on + timeline.DAY
    for fact in (*record.facts, *(fact for subject in record.subjects for fact in subject.facts)):
        if fact.on is not None:
            yield fact.on
