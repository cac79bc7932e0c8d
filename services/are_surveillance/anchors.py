"""Which courses start surveillance, from which day, and what about them a person has to confirm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from isodose.clinical.derive.courses import RADIOSURGERY, is_radiosurgery, last_day, was_given
from isodose.clinical.record import Course

KIND = {
    "single_srs": "single-fraction SRS",
    "fsrs": "fractionated SRS",
    "wbrt": "whole-brain radiotherapy",
    "ha_wbrt": "hippocampal-avoiding whole-brain radiotherapy",
    "focal": "focal radiotherapy of the brain",
    "extracranial": "radiotherapy outside the brain",
    "unknown": "radiotherapy of unknown kind",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Something only the team can answer. `code` is a stable word, `about` the reference it is about."""

    code: str
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A course that starts surveillance and the day its weeks are counted from."""

    course: Course
    day: dt.date


@dataclass(frozen=True, slots=True)
class Anchors:
    """`given` in order of day; `ahead` are radiosurgery courses planned or under way; `undated` were given
    on a day nobody knows; `other` were given and are no radiosurgery of the brain.
    """

    given: tuple[Anchor, ...]
    ahead: tuple[Course, ...]
    undated: tuple[Course, ...]
    other: tuple[Course, ...]
    questions: tuple[Question, ...]


def anchors(courses: Iterable[Course], on: dt.date) -> Anchors:
    """The courses as they stand on the day `on`."""
    real = sorted((c for c in courses if not c.draft), key=lambda c: c.ref)
    relevant = [c for c in real if is_radiosurgery(c)]
    given = [c for c in relevant if _took_place(c, on)]
    dated = [Anchor(c, day) for c in given if (day := _counted_from(c)) is not None]
    return Anchors(
        given=tuple(sorted(dated, key=lambda a: (a.day, a.course.ref))),
        ahead=tuple(c for c in relevant if not _took_place(c, on) and _is_ahead(c, on)),
        undated=tuple(c for c in given if _counted_from(c) is None),
        other=tuple(c for c in real if not is_radiosurgery(c) and was_given(c, on)),
        questions=tuple(question for course in given for question in _questions(course)),
    )


def _took_place(course: Course, on: dt.date) -> bool:
    if course.status == "unknown":
        end = last_day(course)
        return end is not None and end <= on
    return was_given(course, on)


def _is_ahead(course: Course, on: dt.date) -> bool:
    if course.status in ("planned", "in-progress"):
        return True
    return course.status == "completed" and not was_given(course, on)


def _counted_from(course: Course) -> dt.date | None:
    """The last fraction; the first where the last is not known, which can only make a scan come sooner."""
    return last_day(course) or course.start


def _questions(course: Course) -> Iterable[Question]:
    if course.kind not in RADIOSURGERY or course.certainty == "ask":
        read = f" Read as: {KIND[course.kind]}." if course.kind != "unknown" else ""
        why = f" {' '.join(course.reasons)}" if course.reasons else ""
        yield Question(
            "course-kind",
            course.ref,
            f"Was this course radiosurgery (SRS or FSRS) of brain metastases?{read}{why} It is followed up "
            "as radiosurgery until somebody says that it was not.",
        )
    if course.status == "stopped":
        yield Question(
            "course-stopped",
            course.ref,
            "The course was stopped. It is followed up from its last known day; confirm what was given.",
        )
    if course.status == "unknown":
        yield Question("course-status", course.ref, "Was this course completed? Its status is not known.")
    if last_day(course) is None:
        wanted = "The last day of this course is not known exactly"
        rest = (
            f"; windows count from the first day it may have been, {course.start.isoformat()}."
            if course.start
            else ("; no window can be laid out until it is.")
        )
        yield Question("course-date", course.ref, f"{wanted}{rest} When was the last fraction given?")
