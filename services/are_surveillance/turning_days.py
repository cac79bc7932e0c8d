"""The next day on which the plan differs although the record does not: a new day touches few patients."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

from are_surveillance.decision import plan_of
from are_surveillance.open_work import book_from
from are_surveillance.schedule import Plan
from isodose.clinical import timeline
from isodose.clinical.derive.drug_intervals import OPERATION_LOOKBACK_DAYS
from isodose.clinical.derive.drugs import days_of_action
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
    days = (
        *_of_windows(plan, knowledge, on),
        *_of_courses(plan, knowledge, on),
        *_of_drugs(record, knowledge, on),
        *_of_operations(record, knowledge, on),
        *_of_record(record),
    )
    return min((day for day in days if day > on), default=None)


def _of_windows(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[dt.date]:
    weeks = knowledge.values("SUP-SURV-default-interval", on)["horizon_weeks"]
    for place in plan.places:
        if place.open:
            yield book_from(place, knowledge, on)
            yield place.slot.window.earliest
            yield place.overdue_from
            yield place.lost_from
    if plan.beyond is not None:
        yield timeline.weeks_after(plan.beyond.window.earliest, -weeks)
    for one in plan.postoperative:
        yield one.window.latest + timeline.DAY


def _of_courses(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[dt.date]:
    """Days on which months since radiosurgery pass a limit, with the day after for limits counted in."""
    onset = knowledge.values("SUP-ARE-onset", on)
    months = {
        knowledge.values("SUP-SURV-default-interval", on)["early_until_months"],
        knowledge.values("SUP-SURV-overdue", on)["early_until_months"],
        knowledge.values("SUP-SURV-duration", on)["ask_from_months"],
        knowledge.values("SUP-ARE-biopsy-yield", on)["after_months"],
        onset["typical_from_months"],
        onset["typical_to_months"],
    }
    for anchor in plan.anchors.given:
        for count in months:
            day = timeline.months_after(anchor.day, count)
            yield day
            yield day + timeline.DAY


def _of_drugs(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> Iterator[dt.date]:
    """Days on which a drug no longer acts, immunotherapy is no longer early, or wounds may heal again."""
    early = knowledge.values("SUP-RESP-irano", on)["weeks_to"]
    healing = timeline.DAY * knowledge.values("ARE-MGMT-bevacizumab-cautions", on)["days_below"]
    for exposure in record.exposures:
        acts = dt.timedelta(days=math.floor(days_of_action(exposure)) + 1)
        for day in filter(None, (exposure.start, exposure.end, *exposure.given_on)):
            yield day + acts
            yield timeline.weeks_after(day, early) + timeline.DAY
            yield day + healing


def _of_operations(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> Iterator[dt.date]:
    """Days on which an operation comes near, or lies back far enough."""
    near = timeline.DAY * knowledge.values("ARE-MGMT-bevacizumab-cautions", on)["days_below"]
    for operation in record.operations:
        if operation.on is not None:
            yield operation.on - near + timeline.DAY
            yield operation.on + near
            yield operation.on + timeline.DAY * (OPERATION_LOOKBACK_DAYS + 1)


def _of_record(record: PatientRecord) -> Iterator[dt.date]:
    """Days on which something dated in the record begins, and the days after, on which it is past."""
    for moment in timeline.moments(record):
        yield moment.on
        yield moment.on + timeline.DAY
    for fact in (*record.facts, *(fact for subject in record.subjects for fact in subject.facts)):
        if fact.on is not None:
            yield fact.on
