"""A draft order as it is reviewed: the plan, the lesions it targets, and what each of them is to receive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from eligibility_scoring.dosing.advice import Advice, advise
from isodose.clinical.derive.courses import lesions_of
from isodose.clinical.finding import FactUsed, Finding
from isodose.clinical.knowledge import Knowledge, Values
from isodose.clinical.logic import Term
from isodose.clinical.record import Course, Fact, PatientRecord, Scope, Subject
from isodose.clinical.rules import View, Views, views

RADIOSURGERY = ("single_srs", "fsrs")
CRANIAL = (*RADIOSURGERY, "wbrt", "ha_wbrt")


@dataclass(frozen=True, slots=True)
class Target:
    """One lesion of an order: as it is seen, what it is usually given, and what is ordered in Gy."""

    view: View
    advice: Advice
    total: Term
    fractions: Term

    @property
    def ref(self) -> str:
        return self.view.applies_to

    @property
    def setting(self) -> str:
        return self.advice.setting


@dataclass(frozen=True, slots=True)
class Order:
    """`plan` and `when` see the facts about the order itself and its place in time.

    `about` are the references it concerns: itself and the lesions it targets, all where it names none.
    """

    course: Course
    plan: View
    when: View
    targets: tuple[Target, ...]
    about: frozenset[str]
    findings: tuple[Finding, ...]
    knowledge: Knowledge
    on: dt.date

    @property
    def kind(self) -> str:
        return self.course.kind

    def values(self, code: str) -> Values:
        return self.knowledge.values(code, self.on)

    def concerning(self, code: str, verdict: str = "met") -> Iterator[Finding]:
        """The findings of the patient, of this plan and of the lesions it concerns."""
        for finding in self.findings:
            if finding.code == code and finding.verdict == verdict and finding.applies_to in self.about:
                yield finding

    def judged(self, code: str) -> Finding | None:
        """The finding of this plan itself, whatever its verdict; None where there is none."""
        own = ("", self.course.ref, self.course.planned_by)
        return next((f for f in self.findings if f.code == code and f.applies_to in own), None)

    def facts(self, *terms: Term) -> tuple[FactUsed, ...]:
        """The facts behind terms, as they are shown, each once."""
        return self.plan.shown(frozenset[Fact]().union(*(term.used for term in terms)))


def orders(
    record: PatientRecord,
    courses: Iterable[Course],
    findings: Sequence[Finding],
    knowledge: Knowledge,
    on: dt.date,
) -> list[Order]:
    """The draft courses as orders. `record` carries what can be derived for the day."""
    found = tuple(findings)
    return [_order(course, views(record, on), found, knowledge) for course in courses]


def _order(course: Course, seen: Views, findings: tuple[Finding, ...], knowledge: Knowledge) -> Order:
    record, on = seen.patient.record, seen.patient.on
    plan = seen.of(_subject(record, "plan", (course.ref, course.planned_by)))
    when = seen.of(_subject(record, "course", (course.ref,)))
    lesions = record.of_scope("lesion")
    targeted = lesions_of(course, record)[0] if course.kind in RADIOSURGERY else ()
    aimed_at = [seen.of(lesion) for lesion in lesions if lesion.ref in targeted]
    targets = tuple(
        Target(view, advise(view, knowledge, on), *_ordered(course, plan, view.applies_to))
        for view in aimed_at
    )
    concerned = {t.ref for t in targets} or {lesion.ref for lesion in lesions}
    about = frozenset(("", course.ref, course.planned_by, *concerned))
    return Order(course, plan, when, targets, about, findings, knowledge, on)


def _subject(record: PatientRecord, scope: Scope, refs: Sequence[str]) -> Subject:
    own = (s for s in record.of_scope(scope) if s.ref in refs)
    return next(own, Subject(ref=refs[0], scope=scope))


def _ordered(course: Course, plan: View, lesion: str) -> tuple[Term, Term]:
    """Total dose and fractions for a lesion: as ordered for it, else for the whole plan."""
    own = next((dose for dose in course.target_doses if dose.lesion == lesion), None)
    total, fractions = plan["total_dose_gy"], plan["fractions"]
    if not fractions.known and course.kind == "single_srs" and course.certainty != "ask":
        fractions = Term(1)
    if own is None:
        return total, fractions
    return (
        total if own.total_gy is None else Term(own.total_gy),
        fractions if own.fractions is None else Term(own.fractions),
    )
