"""Which resources tell of one course of radiotherapy: summaries, phases, and the plan behind them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from isodose.clinical.terminology import Coding, codings, value_set, words_of
from isodose.mcode import doses
from isodose.mcode.chart import Chart, Reading, Resource, items, reference_to, targets_of
from isodose.mcode.days import days_done
from isodose.mcode.dose_words import dose_in_words
from isodose.mcode.doses import VolumeDose

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
_RANK = {"completed": 3, "stopped": 2, "in-progress": 1}


@dataclass
class Told:
    """What one or more resources tell of one course."""

    resource: Resource
    doses: list[VolumeDose] = field(default_factory=list)
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def ref(self) -> str:
        return reference_to(self.resource)


def with_role(role: str, roles: list[tuple[str, Resource]]) -> list[Resource]:
    return [resource for given, resource in roles if given == role]


def role_of(chart: Chart, resource: Resource) -> str:  # noqa: PLR0911 (one return per clue)
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


def same_course(given: list[Resource]) -> list[list[Resource]]:
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
    first, second = days_done(one)[0], days_done(other)[0]
    return first is None or second is None or first == second


def _identifiers(resource: Resource) -> list[tuple[str, str]]:
    return [
        (str(i.get("system", "")), str(i["value"]))
        for i in items(resource.get("identifier"))
        if isinstance(i, dict) and i.get("value") and i.get("system")
    ]


def _completeness(procedure: Resource) -> tuple[int, str, str, str]:
    period = days_done(procedure)
    meta = procedure.get("meta")
    updated = str(meta.get("lastUpdated", "")) if isinstance(meta, dict) else ""
    return _RANK.get(str(procedure.get("status")), 0), str(period[1] or ""), updated, reference_to(procedure)


def given_course(same: list[Resource], phases: list[Resource], reading: Reading) -> Told:
    counts, earlier = same[0], same[1:]
    told = Told(counts, doses.doses_of(counts, reading), *days_done(counts))
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
    latest = [group[0] for group in same_course(parts)]
    reading.read.update(reference_to(part) for part in parts)
    told.doses = doses.completed(told.doses, doses.summed(doses.doses_of(p, reading) for p in latest))
    periods = [days_done(part) for part in latest]
    told.start = told.start or min((s for s, _ in periods if s), default=None)
    told.end = told.end or max((e for _, e in periods if e), default=None)
    return told


def planned_course(request: Resource, phases: list[Resource], reading: Reading) -> Told:
    told = Told(request, doses.doses_of(request, reading), *days_done(request))
    parts = [p for p in phases if told.ref in targets_of(p.get("basedOn"))]
    reading.read.update(reference_to(part) for part in parts)
    told.doses = doses.completed(told.doses, doses.summed(doses.doses_of(p, reading) for p in parts))
    if not told.doses and (worded := dose_in_words(request)) is not None:
        told.doses = [worded]
    return told


def plan_of(told: Told, plans: dict[str, Told]) -> Told | None:
    for ref in targets_of(told.resource.get("basedOn")):
        if ref in plans:
            return plans[ref]
    mine = set(_identifiers(told.resource))
    return next((plan for plan in plans.values() if mine & set(_identifiers(plan.resource))), None)
