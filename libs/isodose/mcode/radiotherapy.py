"""Courses of radiotherapy, given and planned: one Course each, however many resources tell of it.

Course summaries, phases and volumes of mCODE and CodeX (https://hl7.org/fhir/us/codex-radiation-therapy), and
any Procedure or ServiceRequest whose code or words say radiotherapy.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from isodose.clinical.record import Course, CourseKind, CourseStatus
from isodose.clinical.terminology import Coding, codings, value_set, words_of
from isodose.mcode import course_kind, doses
from isodose.mcode.chart import (
    Chart,
    Reading,
    Resource,
    day,
    extensions,
    fact,
    items,
    reference_to,
    target_of,
    targets_of,
)
from isodose.mcode.doses import VolumeDose
from isodose.mcode.lesions import label_of
from isodose.mcode.sites import (
    Extent,
    Region,
    body_structures_of,
    extent_of,
    extent_of_site,
    region_of,
    site_region,
)

_SAYS_RADIOTHERAPY = (
    " radiosurgery ",
    " radiotherapy ",
    " radiation therapy ",
    " wbrt ",
    " srs ",
    " fsrs ",
    " gamma knife ",
    " gammaknife ",
    " cyberknife ",
    " teleradiotherapy ",
    " whole brain radiation ",
    " stereotactic radiation ",
)
_NOT_THE_TREATMENT = (
    " planning ",
    " simulation ",
    " consultation ",
    " history ",
    " complication ",
    " follow up ",
)
_GIVEN: dict[str, CourseStatus] = {
    "completed": "completed",
    "stopped": "stopped",
    "in-progress": "in-progress",
    "on-hold": "in-progress",
    "preparation": "planned",
}
_RANK = {"completed": 3, "stopped": 2, "in-progress": 1}


@dataclass
class _Told:
    """What one or more resources tell of one course."""

    resource: Resource
    doses: list[VolumeDose] = field(default_factory=list)
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def ref(self) -> str:
        return reference_to(self.resource)


def read(chart: Chart, reading: Reading) -> None:
    """All courses, their plans, and the facts that follow for plans and lesions."""
    done = [(_role(chart, p), p) for p in chart.of("Procedure") if p.get("status") != "not-done"]
    asked = [
        (_role(chart, s), s)
        for s in chart.of("ServiceRequest")
        if s.get("status") != "revoked" and not s.get("doNotPerform")
    ]
    phases, planned_phases = _with_role("phase", done), _with_role("phase", asked)
    given, ordered = _with_role("course", done), _with_role("course", asked)
    plans = {reference_to(s): _planned(s, planned_phases, reading) for s in ordered}
    linked: set[str] = set()
    for same in _same_course(given):
        told = _given(same, phases, reading)
        plan = _plan_of(told, plans)
        if plan is not None:
            linked.add(plan.ref)
        _write(chart, reading, told, plan)
    for ref, plan in plans.items():
        _write_plan(chart, reading, plan)
        if ref not in linked:
            _write(chart, reading, plan, plan)


def _with_role(role: str, roles: list[tuple[str, Resource]]) -> list[Resource]:
    return [resource for given, resource in roles if given == role]


def _role(chart: Chart, resource: Resource) -> str:  # noqa: PLR0911 (one return per clue)
    """`course`, `phase`, or nothing where the resource is no radiotherapy or a finer part of it."""
    given = [c for c in chart.codes(resource) if c.system != "null_flavor"]
    concept = value_set("radiotherapy").match(given)
    role = concept.id if concept else ""
    if role == "rt_treatment_phase":
        return "phase"
    if role in ("rt_fraction", "rt_treatment_plan"):
        return ""
    if concept is not None and concept.role in ("radiotherapy_code", "wbrt", "rt_modality", "rt_technique"):
        return "course"
    if value_set("radiosurgery").match(given):
        return "course"
    if _has_profile(resource, "radiotherapy-course-summary"):
        return "course"
    words = _own_words(resource.get("code"), given)
    if any(word in words for word in _SAYS_RADIOTHERAPY) and not any(w in words for w in _NOT_THE_TREATMENT):
        return "course"
    if not given and not words.strip() and Coding("snomed", "108290001") in codings(resource.get("category")):
        return "course"
    return ""


def _own_words(code: object, given: list[Coding]) -> str:
    """What a code says. A text beside a standard code may be wrong: then the displays of the codes count."""
    if isinstance(code, dict) and any(c.system in ("snomed", "cpt", "hcpcs", "icd10pcs") for c in given):
        displays = words_of({"coding": code.get("coding")})
        if displays.strip():
            return displays
    return words_of(code)


def _has_profile(resource: Resource, end: str) -> bool:
    meta = resource.get("meta")
    return isinstance(meta, dict) and any(str(p).endswith(end) for p in items(meta.get("profile")))


def _same_course(given: list[Resource]) -> list[list[Resource]]:
    """Summaries that share an identifier are of one course; each group begins with the one that counts."""
    groups: list[list[Resource]] = []
    by_identifier: dict[tuple[str, str], list[Resource]] = {}
    for procedure in given:
        keys = _identifiers(procedure)
        named = (by_identifier[key] for key in keys if key in by_identifier)
        known = next((group for group in named if _may_be_one(group[0], procedure)), None)
        if known is None:
            known = []
            groups.append(known)
        known.append(procedure)
        by_identifier.update(dict.fromkeys(keys, known))
    return [sorted(group, key=_completeness, reverse=True) for group in groups]


def _may_be_one(one: Resource, other: Resource) -> bool:
    """An identifier may be that of a visit or a patient: courses that began on different days are two."""
    first, second = _period(one)[0], _period(other)[0]
    return first is None or second is None or first == second


def _identifiers(resource: Resource) -> list[tuple[str, str]]:
    return [
        (str(i.get("system", "")), str(i["value"]))
        for i in items(resource.get("identifier"))
        if isinstance(i, dict) and i.get("value") and i.get("system")
    ]


def _completeness(procedure: Resource) -> tuple[int, str, str, str]:
    period = _period(procedure)
    meta = procedure.get("meta")
    updated = str(meta.get("lastUpdated", "")) if isinstance(meta, dict) else ""
    return _RANK.get(str(procedure.get("status")), 0), str(period[1] or ""), updated, reference_to(procedure)


def _period(resource: Resource) -> tuple[dt.date | None, dt.date | None]:
    period = resource.get("performedPeriod") or resource.get("occurrencePeriod")
    if isinstance(period, dict):
        return day(period.get("start")), day(period.get("end"), last=True)
    single = resource.get("performedDateTime") or resource.get("occurrenceDateTime")
    return day(single), day(single, last=True)


def _given(same: list[Resource], phases: list[Resource], reading: Reading) -> _Told:
    counts, earlier = same[0], same[1:]
    told = _Told(counts, doses.doses_of(counts, reading), *_period(counts))
    for other in earlier:
        reading.aliases[reference_to(other)] = told.ref
        reading.problem(
            "same-course-told-twice",
            f"It tells of the same course as {told.ref}, which is more complete and counts",
            reference_to(other),
            "Procedure.identifier",
        )
    parts = [
        p for p in phases if {reading.aliases.get(r, r) for r in targets_of(p.get("partOf"))} & {told.ref}
    ]
    latest = [group[0] for group in _same_course(parts)]
    reading.read.update(reference_to(part) for part in parts)
    told.doses = doses.completed(told.doses, doses.summed(doses.doses_of(p, reading) for p in latest))
    periods = [_period(part) for part in latest]
    told.start = told.start or min((s for s, _ in periods if s), default=None)
    told.end = told.end or max((e for _, e in periods if e), default=None)
    return told


def _planned(request: Resource, phases: list[Resource], reading: Reading) -> _Told:
    told = _Told(request, doses.doses_of(request, reading), *_period(request))
    parts = [p for p in phases if told.ref in targets_of(p.get("basedOn"))]
    reading.read.update(reference_to(part) for part in parts)
    told.doses = doses.completed(told.doses, doses.summed(doses.doses_of(p, reading) for p in parts))
    return told


def _plan_of(told: _Told, plans: dict[str, _Told]) -> _Told | None:
    for ref in targets_of(told.resource.get("basedOn")):
        if ref in plans:
            return plans[ref]
    mine = set(_identifiers(told.resource))
    return next((plan for plan in plans.values() if mine & set(_identifiers(plan.resource))), None)


def _write(chart: Chart, reading: Reading, told: _Told, plan: _Told | None) -> None:
    """Add the Course and, unless it is outside the brain, its subject."""
    resource, is_plan = told.resource, plan is told
    dose = doses.main_dose(told.doses if told.doses or plan is None else [])
    planned = doses.main_dose(plan.doses) if plan else VolumeDose("")
    status = _plan_status(resource) if is_plan else _GIVEN.get(str(resource.get("status")), "unknown")
    if status == "planned" and not is_plan and dose.total_gy is None:
        dose = planned
    region, extent = _where(chart, told)
    kind = _kind(
        told,
        plan,
        dose if dose.fractions or dose.total_gy else planned,
        region=region,
        extent=extent,
        status=status,
    )
    lesions = tuple(_lesions(chart, [told, *([plan] if plan else [])]))
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


def _plan_status(request: Resource) -> CourseStatus:
    return "unknown" if request.get("status") in ("completed", "unknown") else "planned"


def _partial_date(told: _Told) -> tuple[str, ...]:
    period = told.resource.get("performedPeriod")
    parts = [*(period.values() if isinstance(period, dict) else ()), told.resource.get("performedDateTime")]
    if any(isinstance(part, str) and len(part) < 10 for part in parts):
        return ("The dates are known to the month or year only; the widest period they allow is used.",)
    return ()


def _where(chart: Chart, told: _Told) -> tuple[Region, Extent]:
    """Brain or not, whole or part: by the sites of the course and of its volumes."""
    sites = items(told.resource.get("bodySite"))
    extents: list[Extent] = [extent_of_site(site) for site in sites]
    regions: list[Region] = [site_region(sites)] if sites else []
    for reference in _volume_references(told):
        volume = chart.by_ref.get(reference)
        if volume is not None and not is_organ_at_risk(volume):
            regions.append(site_region(volume.get("location")) if volume.get("location") else "unknown")
            extents.append(extent_of(volume.get("locationQualifier")))
    if not regions or set(regions) == {"unknown"}:
        regions.append(
            region_of((), words_of(told.resource.get("code"))) if _says_brain(told.resource) else "unknown"
        )
    region: Region = "brain" if "brain" in regions else "other" if "other" in regions else "unknown"
    if region == "unknown" and _brain_is_the_reason(told.resource):
        region = "brain"
    extent: Extent = "partial" if "partial" in extents else "entire" if "entire" in extents else ""
    return region, extent


def _brain_is_the_reason(resource: Resource) -> bool:
    reasons = codings(resource.get("reasonCode"))
    spread = value_set("metastases").match(reasons)
    if spread is not None:
        return spread.id == "brain_metastasis"
    return value_set("primary_brain_tumours").match(reasons) is not None


def _says_brain(resource: Resource) -> bool:
    words = words_of(resource.get("code"))
    if region_of((), words) == "brain":
        return True
    concept = value_set("radiosurgery").match(codings(resource.get("code")))
    return concept is not None and concept.id in ("srs_proton", "srs_icd10pcs")


def is_organ_at_risk(volume: Resource) -> bool:
    concept = value_set("radiotherapy").match(codings(volume.get("morphology")))
    return concept is not None and concept.id == "volume_oar"


def _volume_references(told: _Told) -> list[str]:
    named = [dose.volume for dose in told.doses if dose.volume]
    return [*named, *(target_of(reference) for reference in body_structures_of(told.resource))]


def _lesions(chart: Chart, tellers: Iterable[_Told]) -> list[str]:
    """The target volumes that are lesions: not organs at risk, and not the whole brain."""
    found = set()
    for told in tellers:
        for reference in _volume_references(told):
            volume = chart.by_ref.get(reference)
            if volume is None or (
                not is_organ_at_risk(volume) and extent_of(volume.get("locationQualifier")) != "entire"
            ):
                found.add(reference)
    return sorted(found)


def _kind(
    told: _Told, plan: _Told | None, dose: VolumeDose, *, region: Region, extent: Extent, status: CourseStatus
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
    chart: Chart, reading: Reading, told: _Told, *, region: Region, kind: CourseKind, dose: VolumeDose
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


def _state_reirradiation(reading: Reading, told: _Told, lesions: tuple[str, ...]) -> None:
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


def _write_plan(chart: Chart, reading: Reading, plan: _Told) -> None:
    """The facts of a plan for the brain, on the ServiceRequest as their subject."""
    region, extent = _where(chart, plan)
    dose = doses.main_dose(plan.doses)
    kind = _kind(plan, plan, dose, region=region, extent=extent, status="planned")
    if kind.kind == "extracranial":
        return
    lesions = _lesions(chart, [plan])
    reading.subject("plan", plan.ref, _label(plan.resource), lesions)
    on = day(plan.resource.get("authoredOn"))
    numbers = {
        "fractions": dose.fractions,
        "total_dose_gy": dose.total_gy,
        "dose_per_fraction_gy": dose.per_fraction_gy,
    }
    for name, value in numbers.items():
        if value is not None:
            reading.state(fact(name, value, plan.ref, on), "plan", plan.ref)
    if kind.kind in ("single_srs", "fsrs", "wbrt", "ha_wbrt"):
        inferred = fact(
            "modality", kind.kind, plan.ref, on, certainty=kind.certainty, stated=False, reasons=kind.reasons
        )
        reading.state(inferred, "plan", plan.ref)
