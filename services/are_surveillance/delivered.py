"""What was given, seen as a plan: a course recorded without its order still tells modality and dose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from isodose.clinical import derive, facts
from isodose.clinical.derive.courses import RADIOSURGERY, is_radiosurgery, lesions_of, was_given
from isodose.clinical.derive.subjects import Derived, Key, attach
from isodose.clinical.record import Certainty, Course, Fact, FactScalar, PatientRecord


def as_of(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with all that follows from it on the day, and a plan for each radiosurgery course given."""
    return _with_plans(record, derive.as_of(record, on), on)


def with_acting_drugs(record: PatientRecord, on: dt.date) -> PatientRecord:
    """Like `as_of`, but of drugs only which inhibitors and conjugates act (`derive.with_acting_drugs`)."""
    return _with_plans(record, derive.with_acting_drugs(record, on), on)


def _with_plans(record: PatientRecord, known: PatientRecord, on: dt.date) -> PatientRecord:
    given = [c for c in record.courses if is_radiosurgery(c) and was_given(c, on)]
    found = [(plan_of(c), fact) for c in given if not c.planned_by for fact in _facts(c)]
    derived: list[Derived] = [("plan", ref, fact) for ref, fact in found]
    wanted: dict[Key, tuple[str, ...]] = {("plan", plan_of(c)): lesions_of(c, record)[0] for c in given}
    return attach(known, derived, wanted) if given else known


def plan_of(course: Course) -> str:
    """The reference under which the facts of the course's plan stand."""
    return course.planned_by or course.ref


def _facts(course: Course) -> Iterator[Fact]:
    if course.kind in RADIOSURGERY and course.certainty != "ask":
        yield _fact("modality", course.kind, course, course.certainty)
    numbers: dict[str, FactScalar | None] = {
        "fractions": course.fractions_planned or course.fractions_delivered,
        "total_dose_gy": course.total_dose_gy,
        "dose_per_fraction_gy": course.dose_per_fraction_gy,
    }
    for name, value in numbers.items():
        if value is not None:
            yield _fact(name, value, course, "sure")


def _fact(name: str, value: FactScalar, course: Course, certainty: Certainty) -> Fact:
    return Fact(
        name=name,
        value=value,
        unit=facts.definition(name).unit,
        source=course.ref,
        certainty=certainty,
        stated=False,
        reasons=("Read from the course that was given.",),
    )
