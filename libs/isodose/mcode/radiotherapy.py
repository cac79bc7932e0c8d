"""Courses of radiotherapy, given and planned: one Course each, however many resources tell of it.

Course summaries, phases and volumes of mCODE and CodeX (https://hl7.org/fhir/us/codex-radiation-therapy), and
any Procedure or ServiceRequest whose code or words say radiotherapy.
"""

from __future__ import annotations

import datetime as dt

from isodose.clinical.record import Course, CourseKind, CourseStatus, Fact, TargetDose
from isodose.clinical.terminology import Coding, codings, value_set, words_of
from isodose.mcode import course_kind, doses
from isodose.mcode.chart import Chart, Reading, Resource, extensions, fact, items, reference_to
from isodose.mcode.course_sources import (
    Told,
    given_course,
    plan_of,
    planned_course,
    role_of,
    same_course,
    with_role,
)
from isodose.mcode.course_targets import region_and_extent, target_lesions
from isodose.mcode.days import day
from isodose.mcode.doses import VolumeDose
from isodose.mcode.lesions import label_of
from isodose.mcode.sites import (
    Extent,
    Region,
)

_GIVEN: dict[str, CourseStatus] = {
    "completed": "completed",
    "stopped": "stopped",
    "in-progress": "in-progress",
    "on-hold": "in-progress",
    "preparation": "planned",
}


def read(chart: Chart, reading: Reading) -> None:
    """All courses, their plans, and the facts that follow for plans and lesions."""
    done = [(role_of(chart, p), p) for p in chart.of("Procedure") if p.get("status") != "not-done"]
    asked = [
        (role_of(chart, s), s)
        for s in chart.of("ServiceRequest")
        if s.get("status") != "revoked" and not s.get("doNotPerform")
    ]
    phases, planned_phases = with_role("phase", done), with_role("phase", asked)
    given, ordered = with_role("course", done), with_role("course", asked)
    plans = {reference_to(s): planned_course(s, planned_phases, reading) for s in ordered}
    linked: set[str] = set()
    for same in same_course(given):
        told = given_course(same, phases, reading)
        plan = plan_of(told, plans)
        if plan is not None:
            linked.add(plan.ref)
        _write(chart, reading, told, plan)
    for ref, plan in plans.items():
        _write_plan(chart, reading, plan)
        if ref not in linked:
            _write(chart, reading, plan, plan)


def _write(chart: Chart, reading: Reading, told: Told, plan: Told | None) -> None:
    """Add the Course and, unless it is outside the brain, its subject."""
    resource, is_plan = told.resource, plan is told
    dose = doses.main_dose(told.doses if told.doses or plan is None else [])
    planned = doses.main_dose(plan.doses) if plan else VolumeDose("")
    status = _plan_status(resource) if is_plan else _GIVEN.get(str(resource.get("status")), "unknown")
    if status == "planned" and not is_plan and dose.total_gy is None:
        dose = planned
    region, extent = region_and_extent(chart, told)
    kind = _kind(
        told,
        plan,
        dose if dose.fractions or dose.total_gy else planned,
        region=region,
        extent=extent,
        status=status,
    )
    lesions = tuple(target_lesions(chart, [told, *([plan] if plan else [])]))
    course = Course(
        ref=told.ref,
        kind=kind.kind,
        certainty=kind.certainty,
        status=status,
        reasons=(*kind.reasons, *_partial_date(told)),
        start=told.start,
        end=told.end if status != "in-progress" else None,
        fractions_planned=planned.fractions,
        fractions_delivered=None if is_plan else dose.fractions,
        total_dose_gy=dose.total_gy,
        dose_per_fraction_gy=dose.per_fraction_gy,
        target_lesions=lesions,
        target_doses=_target_doses(told if told.doses or plan is None else plan, lesions),
        planned_by=plan.ref if plan and not is_plan else "",
        draft=is_plan and resource.get("status") == "draft",
    )
    reading.courses.append(course)
    reading.read.add(told.ref)
    _notice(chart, reading, told, region=region, kind=kind.kind, dose=dose)
    if kind.kind == "extracranial":
        return
    if not is_plan:
        reading.subject("course", told.ref, _label(resource), (*lesions, course.planned_by))
        _state_reirradiation(reading, told, lesions)
    for lesion in lesions:
        reading.subject("lesion", lesion, label_of(chart.by_ref.get(lesion, {})), (told.ref,))


def _target_doses(told: Told, lesions: tuple[str, ...]) -> tuple[TargetDose, ...]:
    """What each lesion that is a volume of its own receives."""
    each = [doses.main_dose([dose]) for dose in told.doses if dose.volume in lesions]
    return tuple(
        TargetDose(lesion=dose.volume, total_gy=dose.total_gy, fractions=dose.fractions)
        for dose in sorted(each, key=lambda dose: dose.volume)
    )


def _as_ordered(name: str, value: float, plan: Told, dose: VolumeDose, on: dt.date | None) -> Fact:
    if not dose.in_words:
        return fact(name, value, plan.ref, on)
    why = ("Read from the words of the order.",)
    return fact(name, value, plan.ref, on, certainty="likely", stated=False, reasons=why)


def _plan_status(request: Resource) -> CourseStatus:
    return "unknown" if request.get("status") in ("completed", "unknown") else "planned"


def _partial_date(told: Told) -> tuple[str, ...]:
    period = told.resource.get("performedPeriod")
    parts = [*(period.values() if isinstance(period, dict) else ()), told.resource.get("performedDateTime")]
    if any(isinstance(part, str) and len(part) < 10 for part in parts):
        return ("The dates are known to the month or year only; the widest period they allow is used.",)
    return ()


def _kind(
    told: Told, plan: Told | None, dose: VolumeDose, *, region: Region, extent: Extent, status: CourseStatus
) -> course_kind.Kind:
    resource = told.resource
    tellers = [resource, *([plan.resource] if plan else [])]
    techniques = [concept for teller in tellers for concept in _modality_and_technique(teller)]
    code = [teller.get("code") for teller in tellers]
    given = codings(*code, *(c for c in techniques))
    words = words_of(
        *code, *techniques, *(n for t in tellers for n in items(t.get("note"))), *_notes(tellers)
    )
    concept = value_set("radiosurgery").match(given)
    if region == "unknown" and concept is not None and concept.role == "srs" and _is_cranial(given):
        region = "brain"
    planned = doses.main_dose(plan.doses) if plan else dose
    unfinished = status == "in-progress" and planned.fractions is not None
    counts = planned if unfinished else dose
    clues = course_kind.Clues(
        codings=tuple(given),
        words=words,
        region=region,
        extent=extent,
        fractions=counts.fractions,
        total_gy=counts.total_gy,
        per_fraction_gy=counts.per_fraction_gy,
        cobalt=any(" co 60 " in words_of(t) or " cobalt " in words_of(t) for t in techniques),
    )
    return course_kind.infer(clues)


def _is_cranial(given: list[Coding]) -> bool:
    anywhere = {"115959002", "446504008", "G0339", "G0340", "77373", "77435"}
    return any(c.code not in anywhere and value_set("radiosurgery").get(c) for c in given)


def _notes(tellers: list[Resource]) -> list[str]:
    return [str(n.get("text", "")) for t in tellers for n in items(t.get("note")) if isinstance(n, dict)]


def _modality_and_technique(resource: Resource) -> list[object]:
    """Modalities, techniques and isotopes; the inner urls of this extension are absolute."""
    return [
        part.get("valueCodeableConcept")
        for outer in extensions(resource, "mcode-radiotherapy-modality-and-technique")
        for part in items(outer.get("extension"))
        if isinstance(part, dict) and part.get("valueCodeableConcept")
    ]


def _label(resource: Resource) -> str:
    words = resource.get("code")
    return str(words.get("text", "")) if isinstance(words, dict) else ""


def _notice(
    chart: Chart, reading: Reading, told: Told, *, region: Region, kind: CourseKind, dose: VolumeDose
) -> None:
    """Say what is odd about a course; nothing of it stops the reading."""
    resource, source = told.resource, told.ref
    kind_of = source.partition("/")[0]
    sessions = doses.session_count(resource)
    if sessions is not None and dose.fractions is not None and sessions != dose.fractions:
        text = f"{sessions} sessions are given for {dose.fractions} fractions; the fractions count"
        reading.problem("sessions-differ-from-fractions", text, source, f"{kind_of}.extension")
    if region != "brain" or kind == "extracranial":
        return
    reasons = codings(resource.get("reasonCode"))
    for reference in items(resource.get("reasonReference")):
        if (condition := chart.at(resource, reference)) is not None:
            reasons += codings(condition.get("code"))
    if value_set("primary_brain_tumours").match(reasons):
        text = "The reason is coded as a primary brain tumour, which is no proof of a brain metastasis"
        reading.problem("reason-primary-brain-tumour", text, source, f"{kind_of}.reasonCode")
    intents = [e.get("valueCodeableConcept") for e in extensions(resource, "mcode-procedure-intent")]
    intent = value_set("radiotherapy").match(codings(intents))
    if intent is not None and intent.id == "intent_curative":
        text = "The intent is coded curative, which is unusual for brain metastases"
        reading.problem("intent-curative", text, source, f"{kind_of}.extension")


def _state_reirradiation(reading: Reading, told: Told, lesions: tuple[str, ...]) -> None:
    flags = extensions(told.resource, "course-involves-reirradiation")
    if any(flag.get("valueBoolean") is True for flag in flags):
        for lesion in lesions:
            again = fact(
                "prior_cranial_rt_to_site",
                True,
                told.ref,
                told.start,
                certainty="likely",
                stated=False,
                reasons=("The course is marked as reirradiation.",),
            )
            reading.state(again, "lesion", lesion)


def _write_plan(chart: Chart, reading: Reading, plan: Told) -> None:
    """The facts of a plan for the brain, on the ServiceRequest as their subject."""
    region, extent = region_and_extent(chart, plan)
    dose = doses.main_dose(plan.doses)
    kind = _kind(plan, plan, dose, region=region, extent=extent, status="planned")
    if kind.kind == "extracranial":
        return
    lesions = target_lesions(chart, [plan])
    reading.subject("plan", plan.ref, _label(plan.resource), lesions)
    on = day(plan.resource.get("authoredOn"))
    numbers = {
        "fractions": dose.fractions,
        "total_dose_gy": dose.total_gy,
        "dose_per_fraction_gy": dose.per_fraction_gy,
    }
    for name, value in numbers.items():
        if value is not None:
            reading.state(_as_ordered(name, value, plan, dose, on), "plan", plan.ref)
    if kind.kind in ("single_srs", "fsrs", "wbrt", "ha_wbrt"):
        inferred = fact(
            "modality", kind.kind, plan.ref, on, certainty=kind.certainty, stated=False, reasons=kind.reasons
        )
        reading.state(inferred, "plan", plan.ref)
