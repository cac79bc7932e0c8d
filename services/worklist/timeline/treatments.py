"""Radiotherapy with dose and fractions, the period of radiation effects that follows it, and surgery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from isodose.clinical.record import Course, Operation, PatientRecord
from isodose.clinical.timeline import course_period
from worklist.timeline.axis import LEFT, WIDTH, Axis
from worklist.timeline.marks import UNDATED, Event, Lane, Mark

Json = dict[str, Any]
COURSE_NAME = {
    "single_srs": "SRS",
    "fsrs": "FSRS",
    "wbrt": "WBRT",
    "ha_wbrt": "HA-WBRT",
    "focal": "Focal RT",
    "extracranial": "RT outside the brain",
    "unknown": "RT, kind not known",
}
_NARROWEST = 5


def course_lane(courses: Iterable[Course], axis: Axis) -> Lane:
    lane = Lane(label="Radiotherapy", height=34)
    ends: list[float] = [LEFT, LEFT]
    for course in sorted(courses, key=lambda c: (course_period(c).first or dt.date.min, c.ref)):
        period = course_period(course)
        words = course_in_words(course)
        first, last = period.first, period.last or period.first
        event = Event("Radiotherapy", words, str(first or UNDATED), str(period.last or ""), (course.ref,))
        lane.events.append(event)
        if first is None or last is None or not axis.meets(first, last):
            continue
        x = axis.x(first)
        width = max(axis.x(last) - x, _NARROWEST)
        look = "course" if course.status in ("completed", "in-progress", "stopped") else "course planned"
        row = next((i for i, end in enumerate(ends) if x >= end), 0)
        lane.marks.append(Mark("bar", look, x, 4 + 16 * row, width, 11, says=event.says))
        at = x + width + 4
        text = Mark("text", "value", at, 13 + 16 * row, text=words)
        if at + 7 * len(words) > WIDTH:
            text = Mark("text", "value", x - 4, 13 + 16 * row, text=words, anchor="end")
        lane.marks.append(text)
        ends[row] = at + 7 * len(words)
    return lane


def course_in_words(course: Course) -> str:
    """`SRS 20 Gy in 1 fraction`; the range where lesions got different doses; what is not known said so."""
    totals = sorted({d.total_gy for d in course.target_doses if d.total_gy is not None})
    dose = f"{course.total_dose_gy:g} Gy" if course.total_dose_gy is not None else "dose not known"
    if len(totals) > 1:
        dose = f"{totals[0]:g} to {totals[-1]:g} Gy by lesion"
    number = course.fractions_delivered or course.fractions_planned
    fractions = f" in {number} fraction{'s' if number > 1 else ''}" if number else ", fractions not known"
    return f"{COURSE_NAME[course.kind]} {dose}{fractions}{state_in_words(course)}"


def state_in_words(course: Course) -> str:
    """` (planned)`; nothing of a course that is completed."""
    return "" if course.status == "completed" else f" ({course.status})"


def effect_lane(risks: Iterable[Json], lesions: dict[str, str], axis: Axis) -> Lane:
    """The period in which radiation effects usually appear, after each irradiated lesion."""
    lane = Lane(label="Period of ARE risk", height=10)
    for risk in risks:
        spans = [p for p in risk.get("prediction", []) if "probability" not in " ".join(p)]
        span = next((p for p in spans if p.get("outcome", {}).get("text", "").startswith("Period")), None)
        about = [r.get("reference", "") for r in risk.get("basis", [])]
        lesion = next((lesions[ref] for ref in about if ref in lesions), "")
        days = _days(span.get("whenPeriod", {})) if span else None
        if span is None or days is None:
            continue
        words = f"Adverse radiation effects usually appear{f' at {lesion}' if lesion else ''}"
        event = Event("ARE risk", words, str(days[0]), str(days[1]), tuple(a for a in about[:2] if "/" in a))
        lane.events.append(event)
        if not axis.meets(*days):
            continue
        x = axis.x(days[0])
        y = lane.height - 4
        bar = Mark(
            "bar", "effect", x, y, axis.x(days[1]) - x, 9, says=f"{event.says}. {span.get('rationale', '')}"
        )
        lane.marks.append(bar)
        lane.height += 14
    lane.height += 4
    return lane


def _days(period: Json) -> tuple[dt.date, dt.date] | None:
    try:
        return dt.date.fromisoformat(period["start"][:10]), dt.date.fromisoformat(period["end"][:10])
    except (KeyError, ValueError, TypeError):
        return None


def surgery_lane(record: PatientRecord, axis: Axis) -> Lane:
    lane = Lane(label="Surgery", height=24)
    for operation in record.operations:
        event = _operation(operation)
        lane.events.append(event)
        if operation.on is None or not axis.holds(operation.on):
            continue
        look = "surgery" if operation.status == "done" else "surgery planned"
        x = axis.x(operation.on)
        lane.marks.append(Mark("diamond", look, x, 12, width=6, says=event.says))
        lane.marks.append(Mark("text", "value", x + 10, 16, text=event.what))
    return lane


def _operation(operation: Operation) -> Event:
    words = operation.kind.replace("_", " ").capitalize()
    state = "" if operation.status == "done" else f" ({operation.status})"
    return Event("Surgery", words + state, str(operation.on or UNDATED), "", (operation.ref,))
