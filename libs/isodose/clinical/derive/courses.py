"""Facts that follow from the courses of a record on a day: what was given where, when, and how long ago.

Stated facts come first. What a record does not show is not concluded to be absent: nothing here says "no".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from isodose.clinical import facts, timeline
from isodose.clinical.derive.subjects import Derived, Key, attach
from isodose.clinical.record import Certainty, Course, Fact, FactScalar, PatientRecord

RADIOSURGERY = ("single_srs", "fsrs")
WHOLE_BRAIN = ("wbrt", "ha_wbrt")

READABLE_AFTER_WEEKS = 6
"""A brain MRI sooner after radiosurgery is hard to read (SUP-SURV-first-scan) and is no follow-up scan."""


def course_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with derived facts of patient, lesions, courses and plans."""
    courses = sorted(
        (c for c in record.courses if not c.draft), key=lambda c: (last_day(c) or dt.date.max, c.ref)
    )
    found = [
        *_whole_brain(courses, on),
        *_since_radiosurgery(record, courses, on),
        *_irradiated_before(record, courses, on),
        *_of_each_course(record, courses, on),
        *_of_each_plan(courses),
    ]
    return attach(record, found, _links(record, courses, found, on))


def _links(
    record: PatientRecord, courses: list[Course], found: Iterable[Derived], on: dt.date
) -> dict[Key, tuple[str, ...]]:
    """The lesions of courses given, and of courses ahead and their plans where something follows."""
    told = {(scope, ref) for scope, ref, _ in found}
    links: dict[Key, tuple[str, ...]] = {}
    for course in courses:
        lesions = lesions_of(course, record)[0]
        if ("course", course.ref) in told or (is_radiosurgery(course) and was_given(course, on)):
            links["course", course.ref] = lesions
        if lesions and ("plan", _plan_of(course)) in told:
            links["plan", _plan_of(course)] = lesions
    return links


def last_day(course: Course) -> dt.date | None:
    """The day of the last fraction; None where it is not known, or only to the month or the year."""
    period = timeline.course_period(course)
    return None if _is_rough(course, period) else period.last


def _is_rough(course: Course, period: timeline.Period) -> bool:
    """Read from a partial date, which stands for whole months; a single session has a single day."""
    if period.first is None or period.last is None or period.first == period.last:
        return False
    whole_months = period.first.day == 1 and (period.last + timeline.DAY).day == 1
    return whole_months or course.kind == "single_srs"


def was_given(course: Course, on: dt.date) -> bool:
    """Given by the end of `on`, wholly or in part: completed, or stopped after at least one fraction."""
    end = last_day(course) or course.start
    given = course.status == "completed" or (course.status == "stopped" and course.fractions_delivered != 0)
    return given and not course.draft and (end is None or end <= on)


def is_radiosurgery(course: Course) -> bool:
    """SRS or FSRS, or a course that may be: whose kind a person has to confirm."""
    return course.kind in RADIOSURGERY or course.certainty == "ask" or course.kind == "unknown"


def lesions_of(course: Course, record: PatientRecord) -> tuple[tuple[str, ...], Certainty]:
    """The lesions a course treated, and how surely: those it names, or the only lesion there is."""
    if course.target_lesions:
        return course.target_lesions, "sure"
    lesions = record.of_scope("lesion")
    if len(lesions) == 1:
        return (lesions[0].ref,), "likely"
    return (), "ask"


def _whole_brain(courses: list[Course], on: dt.date) -> Iterator[Derived]:
    given = [c for c in courses if c.kind in WHOLE_BRAIN and was_given(c, on)]
    if given:
        yield "patient", "", _fact("prior_wbrt", True, given[-1], "Whole-brain radiotherapy was given.")


def _since_radiosurgery(record: PatientRecord, courses: list[Course], on: dt.date) -> Iterator[Derived]:
    latest: dict[str, tuple[Course, Certainty]] = {}
    for course in courses:
        if is_radiosurgery(course) and was_given(course, on) and last_day(course):
            treated, certainty = lesions_of(course, record)
            latest.update(dict.fromkeys(treated, (course, certainty)))
            if not record.of_scope("lesion") and not treated:
                latest[""] = (course, "likely")
    for ref, (course, certainty) in latest.items():
        end = last_day(course) or on
        reason = f"Radiosurgery ended on {end.isoformat()}."
        yield (
            "lesion",
            ref,
            _fact("months_since_srs", timeline.months_between(end, on), course, reason, certainty),
        )


def _irradiated_before(record: PatientRecord, courses: list[Course], on: dt.date) -> Iterator[Derived]:
    """Earlier radiation of a lesion, as seen from the course now planned for it or else its latest one."""
    whole_brain = [c for c in courses if c.kind in WHOLE_BRAIN and was_given(c, on)]
    for lesion in record.of_scope("lesion"):
        own = [c for c in courses if lesion.ref in lesions_of(c, record)[0] and c.kind not in WHOLE_BRAIN]
        given = [c for c in own if was_given(c, on)]
        ahead = [c for c in own if c.status in ("planned", "in-progress")]
        before = given if ahead else given[:-1]
        index_start = given[-1].start if given and not ahead else None
        covered = [c for c in whole_brain if index_start is None or (last_day(c) or on) < index_start]
        repeated = [c for c in before if c.kind in RADIOSURGERY]
        if repeated:
            reason = "This lesion had radiosurgery in an earlier course."
            yield "lesion", lesion.ref, _fact("prior_srs_same_lesion", True, repeated[-1], reason)
        if before or covered:
            reason = "An earlier course irradiated this site."
            yield (
                "lesion",
                lesion.ref,
                _fact("prior_cranial_rt_to_site", True, (before + covered)[-1], reason),
            )


def _of_each_course(record: PatientRecord, courses: list[Course], on: dt.date) -> Iterator[Derived]:
    given = [c for c in courses if is_radiosurgery(c) and was_given(c, on) and last_day(c)]
    scanned = _brain_scan_days(record, on)
    for course in given:
        end = last_day(course) or on
        readable = timeline.nearest_after(scanned, timeline.weeks_after(end, READABLE_AFTER_WEEKS))
        if readable:
            reason = f"The first readable brain MRI after this course was on {readable.isoformat()}."
            weeks = timeline.weeks_between(end, readable)
            yield "course", course.ref, _fact("followup_mri_weeks_since_srs", weeks, course, reason)
    if given and scanned:
        yield from _next_ordered(record, given[-1], scanned[-1], on)
    for course in courses:
        yield from _after_surgery(record, course)
        yield from _before_surgery(record, course)


def _brain_scan_days(record: PatientRecord, on: dt.date) -> list[dt.date]:
    return sorted(
        s.on
        for s in record.scans
        if s.on and s.on <= on and (s.modality, s.region, s.status) == ("MR", "brain", "done")
    )


def _next_ordered(record: PatientRecord, course: Course, latest: dt.date, on: dt.date) -> Iterator[Derived]:
    ahead = [
        s
        for s in record.scans
        if s.modality == "MR" and s.region == "brain" and s.status in ("ordered", "booked")
    ]
    days = timeline.nearest_after((s.on for s in ahead if s.on), on)
    if days and latest >= (last_day(course) or latest):
        reason = f"Latest brain MRI {latest.isoformat()}, next ordered for {days.isoformat()}."
        yield (
            "course",
            course.ref,
            _fact("planned_mri_interval_weeks", timeline.weeks_between(latest, days), course, reason),
        )


def _after_surgery(record: PatientRecord, course: Course) -> Iterator[Derived]:
    if course.start is None or course.kind not in RADIOSURGERY:
        return
    certainty, operations = _resections(record, course)
    before = timeline.nearest_before(operations, course.start)
    if before:
        reason = f"Resection of the treated lesion on {before.isoformat()}."
        days = (course.start - before).days
        yield "course", course.ref, _fact("days_from_surgery_to_srs", days, course, reason, certainty)


def _before_surgery(record: PatientRecord, course: Course) -> Iterator[Derived]:
    """Of a course still ahead alone: a resection long after radiosurgery is no neoadjuvant sequence."""
    one_session = course.start if course.fractions_planned == 1 else None
    end = last_day(course) or one_session
    if course.status != "planned" or end is None or course.kind not in RADIOSURGERY:
        return
    certainty, operations = _resections(record, course)
    after = timeline.nearest_after(operations, end)
    if after:
        reason = f"Resection of the target is planned for {after.isoformat()}."
        days = (after - end).days
        yield "course", course.ref, _fact("days_from_srs_to_surgery", days, course, reason, certainty)


def _resections(record: PatientRecord, course: Course) -> tuple[Certainty, list[dt.date]]:
    """The days on which a lesion of the course was resected; for a course ahead, or is to be."""
    treated, certainty = lesions_of(course, record)
    counted = ("done", "planned") if course.status == "planned" else ("done",)
    return certainty, [
        op.on
        for op in record.operations
        if op.on
        and op.status in counted
        and op.kind.startswith("resection")
        and set(op.lesions) & set(treated)
    ]


def _plan_of(course: Course) -> str:
    return course.planned_by or (course.ref if course.status == "planned" else "")


def _of_each_plan(courses: Iterable[Course]) -> Iterator[Derived]:
    for course in courses:
        plan = _plan_of(course)
        if not plan:
            continue
        reason = "Read from the course."
        if course.kind in (*RADIOSURGERY, *WHOLE_BRAIN) and course.certainty != "ask":
            yield "plan", plan, _fact("modality", course.kind, course, reason)
        numbers: dict[str, FactScalar | None] = {
            "fractions": course.fractions_planned or course.fractions_delivered,
            "total_dose_gy": course.total_dose_gy,
            "dose_per_fraction_gy": course.dose_per_fraction_gy,
        }
        for name, value in numbers.items():
            if value is not None:
                yield "plan", plan, _fact(name, value, course, reason, "sure")


def _fact(
    name: str, value: FactScalar, course: Course, reason: str, certainty: Certainty | None = None
) -> Fact:
    """A derived fact, no surer than the kind of the course it rests on unless `certainty` is of numbers."""
    numbers = ("fractions", "total_dose_gy", "dose_per_fraction_gy")
    order: tuple[Certainty, ...] = ("sure", "likely", "ask")
    given: Certainty = certainty or "sure"
    surest = given if name in numbers else max(given, course.certainty, key=order.index)
    unit = facts.definition(name).unit
    doubt = ("The kind of this course is to be confirmed.",) if surest == "ask" else ()
    return Fact(
        name=name,
        value=value,
        unit=unit,
        source=course.ref,
        certainty=surest,
        stated=False,
        reasons=(reason, *doubt),
    )
