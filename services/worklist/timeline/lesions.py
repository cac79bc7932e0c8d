"""Lesions with their sizes over time, and the radiosurgery that aimed at each."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from isodose.clinical import facts
from isodose.clinical.record import Course, Fact, PatientRecord, Subject
from isodose.clinical.timeline import course_period
from worklist.timeline.axis import Axis
from worklist.timeline.marks import Event, Lane, Mark
from worklist.timeline.treatments import state_in_words

TOP, BOTTOM = 18, 8
_HIGH, _LOW, _FEW = 86, 56, 3
_DIAMETER, _VOLUME = "lesion_diameter_cm", "lesion_volume_ml"
_LEAST_SCALE_MM = 10


def lesion_lanes(record: PatientRecord, axis: Axis) -> list[Lane]:
    """A lane per lesion; all share one scale of diameters, so that lesions can be compared."""
    lesions = sorted(record.of_scope("lesion"), key=lambda one: one.ref)
    names = lesion_names(record)
    sizes = [10 * float(f.value) for one in lesions for f in measured(one, _DIAMETER)]
    largest = max(sizes, default=_LEAST_SCALE_MM)
    scale = max(math.ceil(largest / 10) * 10, _LEAST_SCALE_MM)
    ruler = Ruler(_HIGH if len(lesions) <= _FEW else _LOW, scale)
    return [_lane(one, names[one.ref], record.courses, axis, ruler) for one in lesions]


class Ruler(NamedTuple):
    """Diameters to heights: a lane `height` high whose top stands for `most_mm`."""

    height: int
    most_mm: int

    def y(self, mm: float) -> float:
        return round(self.height - BOTTOM - mm / self.most_mm * (self.height - TOP - BOTTOM), 1)


def counted(record: PatientRecord, on: dt.date) -> str:
    """How many lesions were counted, where that is not the number described."""
    count, described = facts.current(record.facts, "lesion_count", on), len(record.of_scope("lesion"))
    if count is None or count.value == described:
        return ""
    return f" ({described} described of {count.value} counted{f' on {count.on}' if count.on else ''})"


def lesion_names(record: PatientRecord) -> dict[str, str]:
    """A name for each lesion by its reference: its place, numbered where several share one."""
    lesions = sorted(record.of_scope("lesion"), key=lambda one: one.ref)
    places = {one.ref: one.label or "Lesion, place not known" for one in lesions}
    shared = Counter(places.values())
    seen: Counter[str] = Counter()
    names = {}
    for ref, place in places.items():
        seen[place] += 1
        names[ref] = f"{place} ({seen[place]})" if shared[place] > 1 else place
    return names


def measured(lesion: Subject, name: str) -> list[Fact]:
    """The dated values of a size, the earliest first, one a day."""
    found = {f.on: f for f in lesion.facts if f.name == name and f.on and not isinstance(f.value, str)}
    return [found[day] for day in sorted(found)]


def _lane(lesion: Subject, label: str, courses: Sequence[Course], axis: Axis, ruler: Ruler) -> Lane:
    sizes = measured(lesion, _DIAMETER)
    lane = Lane(label=label, height=ruler.height, note=f"0 to {ruler.most_mm} mm")
    volumes = {fact.on: fact for fact in measured(lesion, _VOLUME)}
    lane.marks += _aims(lesion, courses, axis, ruler.height)
    places: list[tuple[float, float]] = []
    for index, fact in enumerate(sizes):
        assert fact.on is not None
        mm = 10 * float(fact.value)
        volume = volumes.pop(fact.on, None)
        event = _event(lane.label, fact.on, f"{mm:g} mm", fact, volume)
        lane.events.append(event)
        if not axis.holds(fact.on):
            continue
        x, y = axis.x(fact.on), ruler.y(mm)
        places.append((x, y))
        lane.marks.append(Mark("dot", "size", x, y, width=4, says=event.says))
        if _worth_a_label(index, sizes):
            lane.marks.append(Mark("text", "value", x, y - 7, text=f"{mm:g} mm", anchor="middle"))
    if len(places) > 1:
        lane.marks.insert(0, Mark("line", "growth", points=" ".join(f"{x},{y}" for x, y in places)))
    for day, volume in volumes.items():
        assert day is not None
        lane.events.append(_event(lane.label, day, f"{float(volume.value):g} mL", volume, None))
    if not sizes:
        lane.marks.append(
            Mark("text", "unknown", axis.x(axis.first) + 4, ruler.height / 2, text="no diameter on record")
        )
    return lane


def _event(label: str, day: dt.date, words: str, fact: Fact, volume: Fact | None) -> Event:
    also = f", {float(volume.value):g} mL" if volume else ""
    sources = (fact.source, *([volume.source] if volume else []))
    return Event("Lesion size", f"{label}: {words}{also}", day.isoformat(), "", tuple(dict.fromkeys(sources)))


def _worth_a_label(index: int, sizes: list[Fact]) -> bool:
    """The ends, and each turn between shrinking and growing, where there are many."""
    if len(sizes) <= 4 or index in (0, len(sizes) - 1):
        return True
    before, here, after = (float(sizes[i].value) for i in (index - 1, index, index + 1))
    return (here - before) * (after - here) < 0


def _aims(lesion: Subject, courses: Iterable[Course], axis: Axis, height: int) -> list[Mark]:
    """A rule through the lane for each course that aimed at the lesion."""
    marks = []
    for course in courses:
        day = course_period(course).first
        if lesion.ref not in course.target_lesions or day is None or not axis.holds(day):
            continue
        dose = next((d for d in course.target_doses if d.lesion == lesion.ref), None)
        total = dose.total_gy if dose and dose.total_gy is not None else course.total_dose_gy
        words = f"{total:g} Gy to this lesion" if total is not None else "dose to this lesion not known"
        x, state = axis.x(day), state_in_words(course)
        said = f"{total:g} Gy" if total is not None else "? Gy"
        marks.append(Mark("text", "dose", x + 5, height - 5, text=said + state))
        says = f"{words}{state}, {day}. Source: {course.ref}"
        marks.append(Mark("rule", "aim", x, 2, height=height - 4, says=says))
    return marks
