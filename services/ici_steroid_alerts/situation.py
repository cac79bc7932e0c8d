"""What an alert is raised from: findings by entry, drugs that act or are planned, the radiation around."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from isodose.clinical.derive.acting import Acting, planned_from
from isodose.clinical.derive.drugs import acting, is_ici, still_acting
from isodose.clinical.derive.steroids import active_steroids
from isodose.clinical.finding import ByCode, Finding, by_code
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, Exposure, PatientRecord
from isodose.clinical.rules import View, views

SRS = ("single_srs", "fsrs")
WHOLE_BRAIN = ("wbrt", "ha_wbrt")
AROUND_SRS_DAYS = 28


@dataclass(frozen=True)
class Situation:
    """One patient on one day. `record` is as the decision saw it."""

    record: PatientRecord
    findings: Sequence[Finding]
    knowledge: Knowledge
    on: dt.date

    @cached_property
    def _by_code(self) -> ByCode:
        return by_code(self.findings)

    def of(self, code: str) -> Sequence[Finding]:
        """The findings of an entry, one per subject."""
        return self._by_code.get(code, ())

    def met(self, code: str, about: str | None = None) -> Finding | None:
        """The finding of `code` that is met, about one subject where given."""
        for finding in self.of(code):
            if finding.verdict == "met" and about in (None, finding.applies_to):
                return finding
        return None

    def all_met(self, *codes: str, about: Iterable[str] = ()) -> tuple[Finding, ...]:
        """The met findings of `codes` about the patient, or about one of the references."""
        wanted = {"", *about}
        found = (f for code in codes for f in self.of(code))
        return tuple(f for f in found if f.verdict == "met" and f.applies_to in wanted)

    @cached_property
    def _now(self) -> PatientRecord:
        return still_acting(self.record, self.on)

    @cached_property
    def icis(self) -> tuple[str, ...]:
        return self.refs(is_ici)

    @cached_property
    def steroids(self) -> list[Acting]:
        return active_steroids(self.record, self.on)

    @cached_property
    def steroid_refs(self) -> tuple[str, ...]:
        return tuple(sorted({e.ref for e in _telling(a.exposure for a in self.steroids)}))

    def refs(self, chosen: Callable[[Exposure], bool]) -> tuple[str, ...]:
        """The orders and the last dose of the chosen drugs that act or are planned."""
        now = [a.exposure for a in acting(self._now, self.on, chosen)]
        ahead = [e for e in self.record.exposures if chosen(e) and planned_from(e, self.on)]
        return tuple(sorted({e.ref for e in _telling([*now, *ahead])}))

    def concepts(self, chosen: Callable[[Exposure], bool]) -> tuple[str, ...]:
        """The chosen drugs that act or are planned, by concept."""
        now = [a.exposure.concept for a in acting(self._now, self.on, chosen)]
        ahead = [e.concept for e in self.record.exposures if chosen(e) and planned_from(e, self.on)]
        return tuple(sorted({*now, *ahead}))

    @cached_property
    def view(self) -> View:
        """The facts as seen from the patient."""
        return views(self.record, self.on).patient

    def courses_around(self, kinds: Sequence[str]) -> list[Course]:
        """Courses of these kinds that are planned, under way, or ended within four weeks."""
        return [c for c in self.record.courses if c.kind in kinds and self.is_around(c)]

    def is_around(self, course: Course) -> bool:
        if course.status in ("planned", "in-progress"):
            return True
        end = course.end or course.start
        return course.status == "completed" and end is not None and (self.on - end).days <= AROUND_SRS_DAYS

    def days_since(self, course: Course) -> int | None:
        """Days since the course ended, None while it has not."""
        end = course.end or course.start
        return (self.on - end).days if course.status == "completed" and end is not None else None

    def course_of(self, ref: str) -> Course | None:
        """The course of a plan or of a course's own reference."""
        for course in self.record.courses:
            if ref in (course.ref, course.planned_by):
                return course
        return None


def _telling(exposures: Iterable[Exposure]) -> list[Exposure]:
    """Orders and statements, and of the single doses of one drug only the last."""
    last: dict[str, Exposure] = {}
    others: list[Exposure] = []
    for exposure in exposures:
        if exposure.given_on:
            before = last.get(exposure.concept)
            if before is None or max(exposure.given_on) > max(before.given_on):
                last[exposure.concept] = exposure
        else:
            others.append(exposure)
    return [*others, *last.values()]
