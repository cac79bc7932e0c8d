"""Scans done and planned with their windows, and alerts on the day they were identified."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from isodose.clinical.record import PatientRecord
from worklist.timeline.axis import Axis
from worklist.timeline.marks import Event, Lane, Mark
from worklist.wording import is_answered, words_of

Json = dict[str, Any]
_SAID = {"late": "its scan came when it was overdue"}
_PLANNED = ("proposed", "ordered", "booked")


def scan_lane(record: PatientRecord, axis: Axis) -> Lane:
    lane = Lane(label="MRI and other scans", height=26)
    for scan in record.scans:
        if scan.on is None or scan.status not in ("done", *_PLANNED):
            continue
        region = "" if scan.region == "unknown" else f" {scan.region}"
        event = Event("Scan", f"{scan.modality}{region}, {scan.status}", str(scan.on), "", (scan.ref,))
        lane.events.append(event)
        if axis.holds(scan.on):
            look = "scan" if scan.status == "done" else "scan planned"
            faint = "" if scan.region == "brain" else " elsewhere"
            lane.marks.append(Mark("dot", look + faint, axis.x(scan.on), 13, width=5, says=event.says))
    return lane


def window_lane(orders: Iterable[Json], plans: Sequence[Json], overdue: Collection[str], axis: Axis) -> Lane:
    """The windows of surveillance MRI: those of the orders, where `overdue` refers to the ones whose window
    has passed, and those that the plans tell to have passed without a scan.
    """
    lane = Lane(label="MRI windows", height=28)
    activities = [(plan, activity) for plan in plans for activity in plan.get("activity", [])]
    late = {
        activity.get("reference", {}).get("reference", "")
        for _, activity in activities
        if words_of(activity.get("progress")) == "completed late"
    }
    for order in orders:
        days, ref = _window(order.get("occurrencePeriod")), f"ServiceRequest/{order.get('id')}"
        if days is None:
            continue
        state = "done" if order.get("status") == "completed" else "wanted"
        state = "overdue" if ref in overdue else "late" if ref in late else state
        words = f"MRI window, {_SAID.get(state, state)}: {words_of(order.get('reasonCode'))}"
        sources = tuple(s.get("reference", "") for s in order.get("supportingInfo", []))
        _draw(lane, axis, days, state, Event("MRI window", words, str(days[0]), str(days[1]), sources))
    for plan, activity in activities:
        detail = activity.get("detail", {})
        days = _window(detail.get("scheduledPeriod"))
        if days is None or detail.get("status") != "cancelled":
            continue
        words = f"MRI window, passed without a scan on record: {detail.get('description', '')}"
        event = Event("MRI window", words, str(days[0]), str(days[1]), (f"CarePlan/{plan.get('id')}",))
        _draw(lane, axis, days, "missed", event)
    return lane


def _draw(lane: Lane, axis: Axis, days: tuple[dt.date, dt.date], state: str, event: Event) -> None:
    lane.events.append(event)
    if axis.meets(*days):
        x = axis.x(days[0])
        width = max(axis.x(days[1]) - x, 4)
        lane.marks.append(Mark("bar", f"window {state}", x, 8, width, 12, says=event.says))


def _window(period: Any) -> tuple[dt.date, dt.date] | None:
    try:
        first, last = (dt.date.fromisoformat(period[end][:10]) for end in ("start", "end"))
    except (KeyError, ValueError, TypeError):
        return None
    return (first, last) if first <= last else None


def alert_lane(alerts: Iterable[Json], axis: Axis, on: dt.date) -> Lane:
    """Open alerts, each on the day it was identified; several of one day stand under one another."""
    lane = Lane(label="Open alerts", height=8)
    for alert in alerts:
        if is_answered(alert):
            continue
        words = f"{alert.get('severity', 'alert')}: {words_of(alert.get('code'))}"
        day = _day(alert.get("identifiedDateTime")) or on
        sources = tuple(i.get("reference", "") for i in alert.get("implicated", []))
        event = Event("Alert", words, str(day), "", sources)
        lane.events.append(event)
        if axis.holds(day):
            x, y = axis.x(day), lane.height + 6
            severity = alert.get("severity", "") if alert.get("severity") in ("high", "moderate") else "low"
            lane.marks.append(Mark("diamond", f"alert {severity}", x, y, width=6, says=event.says))
            right = x < axis.x(axis.first) + 400
            place = (x + 10, "start") if right else (x - 10, "end")
            text = words if len(words) <= 70 else f"{words[:68]}…"
            lane.marks.append(
                Mark("text", "value", place[0], y + 4, text=text, anchor="start" if right else "end")
            )
            lane.height += 18
    lane.height += 6
    return lane


def _day(written: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(written)[:10])
    except ValueError:
        return None
