"""The lanes put under one another on one axis, and the table that tells the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from isodose.clinical.record import PatientRecord
from isodose.clinical.timeline import course_period, exposure_period
from worklist.timeline.axis import LEFT, RIGHT, WIDTH, Axis, Tick
from worklist.timeline.drugs import drug_lanes, steroid_lane
from worklist.timeline.lesions import counted, lesion_lanes, lesion_names
from worklist.timeline.marks import UNDATED, Event, Lane, Mark
from worklist.timeline.scans import alert_lane, scan_lane, window_lane
from worklist.timeline.treatments import course_lane, effect_lane, surgery_lane

Json = dict[str, Any]
_HEAD, _HEADING = 44, 20
_MARGIN = dt.timedelta(days=21)
_AHEAD = dt.timedelta(days=400)
_BEFORE = dt.timedelta(days=180)
Dates = tuple[dt.date, dt.date]


@dataclass(frozen=True)
class Concluded:
    """What the services concluded and the picture shows; None where a service is away."""

    orders: Sequence[Json] | None
    risks: Sequence[Json] | None
    alerts: Sequence[Json] | None
    plans: Sequence[Json] | None = None
    overdue: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Picture:
    """What the template draws."""

    axis: Axis
    lanes: list[Lane]
    events: list[Event]
    ticks: list[Tick]
    today_x: float | None
    height: int
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - RIGHT
    head: int = _HEAD


def picture(record: PatientRecord, told: Concluded, on: dt.date, shown: Dates | None = None) -> Picture:
    """The picture of a patient on the day `on`; `shown` narrows the axis."""
    axis = Axis(*(shown or whole(record, told, on)))
    lanes = list(_placed(_lanes(record, told, axis, on)))
    height = max((lane.y + lane.height for lane in lanes), default=_HEAD) + 8
    events = sorted((e for lane in lanes for e in lane.events), key=lambda e: (e.first, e.kind, e.what))
    today = axis.x(on) if axis.holds(on) else None
    return Picture(axis, lanes, events, axis.ticks(), today, height)


def whole(record: PatientRecord, told: Concluded, on: dt.date) -> Dates:
    """From what first happened in the brain, and the drugs begun in the half year before it, to what is
    planned within 400 days. Drugs begun earlier are cut off on the left.
    """
    brain = [f.on for one in record.of_scope("lesion") for f in one.facts]
    brain += [course_period(c).first for c in record.courses if c.kind != "extracranial"]
    brain += [o.on for o in record.operations]
    brain += [s.on for s in record.scans if s.region == "brain"]
    known = [day for day in brain if day and day <= on]
    drugs = [day for e in record.exposures if (day := exposure_period(e).first) and day <= on]
    start = min(known, default=min(drugs, default=on - _BEFORE))
    earlier = [day for day in drugs if start - _BEFORE <= day < start]
    ends = [str(o.get("occurrencePeriod", {}).get("end", "")) for o in told.orders or ()]
    planned = [dt.date.fromisoformat(end[:10]) for end in ends if _is_day(end)]
    planned += [s.on for s in record.scans if s.on]
    last = max([on + _MARGIN * 2, *(day for day in planned if day <= on + _AHEAD)])
    return min([start, *earlier]) - _MARGIN, last + _MARGIN


def _is_day(written: str) -> bool:
    try:
        return bool(dt.date.fromisoformat(written[:10]))
    except ValueError:
        return False


def _lanes(
    record: PatientRecord, told: Concluded, axis: Axis, on: dt.date
) -> Iterable[tuple[str, list[Lane]]]:
    names = lesion_names(record)
    yield f"Lesions: longest diameter{counted(record, on)}", lesion_lanes(record, axis)
    treated = [course_lane(record.courses, axis)] if record.courses else []
    treated += [effect_lane(told.risks, names, axis)] if told.risks else []
    treated += [surgery_lane(record, axis)] if record.operations else []
    yield "Local treatment", treated
    steroid = steroid_lane(record, axis, on)
    yield "Drugs, and how long they act", [*drug_lanes(record, axis, on), *([steroid] if steroid else [])]
    scans = [scan_lane(record, axis)] if record.scans else []
    if told.orders or told.plans:
        scans.append(window_lane(told.orders or (), told.plans or (), told.overdue, axis))
    yield "Imaging", scans
    yield "Alerts", [alert_lane(told.alerts, axis, on)] if told.alerts else []


def _undated(lane: Lane) -> list[Mark]:
    """Says so where something is on record that the axis has no place for."""
    count = sum(event.first == UNDATED for event in lane.events)
    words = f"{count} on record, {UNDATED}"
    if not count and not lane.marks:
        words = f"{len(lane.events)} on record, outside these days"
    return [Mark("text", "unknown", LEFT + 4, lane.height - 5, text=words)] if count or not lane.marks else []


def _placed(groups: Iterable[tuple[str, list[Lane]]]) -> Iterable[Lane]:
    y = _HEAD
    for heading, lanes in groups:
        shown = [lane for lane in lanes if lane.marks or lane.events]
        for index, lane in enumerate(shown):
            lane.heading = heading if index == 0 else ""
            y += _HEADING if index == 0 else 0
            lane.y = y
            lane.marks += _undated(lane)
            y += lane.height
            yield lane
