"""Drugs ordered, given, dispensed and taken: each an Exposure resolved to a concept of the terminology.

What is ordered is not known to be taken: orders are `planned` or `active` by their status. Drugs that are
in no value set are left out, antineoplastic agents by ATC excepted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isodose.clinical.record import DrugStatus, Exposure
from isodose.clinical.terminology import Coding, Concept, Drug, codings, drugs, value_set, words_of
from isodose.mcode import dosage, units
from isodose.mcode.chart import Chart, Reading, Resource, day, items, reference_to


@dataclass(frozen=True)
class _Taken:
    """When and whether one resource says a drug is taken."""

    status: DrugStatus
    dosages: list[Resource]
    start: dt.date | None = None
    end: dt.date | None = None
    given_on: tuple[dt.date, ...] = ()
    draft: bool = False


def read(chart: Chart, reading: Reading) -> None:
    """All medication resources of the patient."""
    for kind, taken_of in _KINDS.items():
        for resource in chart.of(kind):
            if resource.get("doNotPerform") is True:
                continue
            taken = taken_of(resource)
            if taken is not None:
                _write(chart, reading, resource, taken)


def _write(chart: Chart, reading: Reading, resource: Resource, taken: _Taken) -> None:
    given, words, text = _named(chart, resource)
    ref = reference_to(resource)
    recognised = drugs(given, words) or _antineoplastic(given)
    for drug in recognised:
        route = dosage.route_of(given, words, taken.dosages, drug.local_code)
        reading.exposures.append(
            Exposure(
                ref=ref,
                concept=drug.concept.id,
                drug_class=drug.concept.role,
                status=taken.status,
                certainty=drug.certainty,
                start=taken.start,
                end=taken.end,
                given_on=taken.given_on,
                daily_dose_mg=dosage.daily_dose_mg(taken.dosages),
                route=route,
                as_needed=any(_as_needed(d) for d in taken.dosages),
                indication=_indication(chart, resource),
                text=_own_words(text, taken.dosages),
                draft=taken.draft,
            )
        )
        if drug.certainty != "sure":
            said = "The drug has no code that is known; it was recognised by its name"
            reading.problem("drug-by-name", said, ref, f"{resource['resourceType']}.medication")
    if recognised:
        reading.read.add(ref)
    if taken.start and taken.end and taken.end < taken.start:
        reading.problem("ends-before-it-begins", "The drug ends before it begins", ref)


def _named(chart: Chart, resource: Resource) -> tuple[list[Coding], str, str]:
    """The codes and words that name the drug, form and ingredients of a Medication resource included."""
    concept = resource.get("medicationCodeableConcept")
    medication = chart.at(resource, resource.get("medicationReference"))
    parts: list[Any] = [concept]
    if medication is not None:
        parts += [medication.get("code"), medication.get("form")]
        for ingredient in items(medication.get("ingredient")):
            if isinstance(ingredient, dict):
                parts.append(ingredient.get("itemCodeableConcept"))
    elif isinstance(reference := resource.get("medicationReference"), dict):
        parts.append(str(reference.get("display") or ""))
    words = words_of(*parts)
    return codings(*parts), words, _text(parts)


def _text(parts: list[Any]) -> str:
    for part in parts:
        if isinstance(part, str) and part:
            return part
        if isinstance(part, dict):
            displays = (c.get("display") for c in items(part.get("coding")) if isinstance(c, dict))
            if text := part.get("text") or next(filter(None, displays), ""):
                return str(text)
    return ""


def _own_words(drug: str, dosages: list[Resource]) -> str:
    """The drug and the instructions as the order words them."""
    said = [str(one["text"]) for one in dosages if isinstance(one.get("text"), str)]
    return "; ".join(dict.fromkeys(filter(None, (drug, *said))))


def _antineoplastic(given: list[Coding]) -> list[Drug]:
    """Any agent of ATC group L01 counts as an anticancer drug, also one that no value set names."""
    code = next((c.code for c in given if c.system == "atc" and c.code.startswith("L01")), None)
    if code is None:
        return []
    return [Drug(Concept(display=code, role="antineoplastic", id=f"atc_{code}"), "likely")]


def _as_needed(one: Resource) -> bool:
    return one.get("asNeededBoolean") is True or bool(one.get("asNeededCodeableConcept"))


def _indication(chart: Chart, resource: Resource) -> str:
    """The concept of the reason where it is known, else the reason's words."""
    reasons = items(resource.get("reasonCode"))
    for reference in items(resource.get("reasonReference")):
        if (condition := chart.at(resource, reference)) is not None:
            reasons.append(condition.get("code"))
    given = codings(*reasons)
    for name in ("neurological_findings", "adverse_radiation_effects", "metastases", "comorbidities"):
        if (concept := value_set(name).match(given)) is not None:
            return concept.id
    return _text(reasons)


def _dosages(value: Any) -> list[Resource]:
    return [d for d in items(value) if isinstance(d, dict)]


def _bounds(dosages: list[Resource]) -> tuple[dt.date | None, dt.date | None]:
    starts, ends = [], []
    for one in dosages:
        timing = one.get("timing")
        repeat = timing.get("repeat") if isinstance(timing, dict) else None
        bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
        if isinstance(bounds, dict):
            starts.append(day(bounds.get("start")))
            ends.append(day(bounds.get("end"), last=True))
        elif isinstance(timing, dict):
            events = [found for event in items(timing.get("event")) if (found := day(event))]
            starts += events[:1]
    start = min(filter(None, starts), default=None)
    return start, max((e for e in ends if e), default=None) if ends and all(ends) else None


_ORDERED: dict[str, DrugStatus] = {
    "active": "active",
    "on-hold": "on-hold",
    "completed": "completed",
    "stopped": "stopped",
    "draft": "planned",
    "unknown": "unknown",
}


def _request(resource: Resource) -> _Taken | None:
    """An order. A cancelled one was withdrawn before it was given; a proposal or plan is not yet an order."""
    status = _ORDERED.get(str(resource.get("status")))
    if status is None:
        return None
    draft = resource.get("status") == "draft"
    if resource.get("intent") in ("proposal", "plan") and status == "active":
        status = "planned"
    dosages = _dosages(resource.get("dosageInstruction"))
    start, end = _bounds(dosages)
    start = start or day(resource.get("authoredOn"))
    if end is None and start is not None:
        end = _supplied_until(resource, start, status)
    return _Taken(status, dosages, start, end, draft=draft)


def _supplied_until(resource: Resource, start: dt.date, status: DrugStatus) -> dt.date | None:
    request = resource.get("dispenseRequest")
    supply = request.get("expectedSupplyDuration") if isinstance(request, dict) else None
    if status != "completed" or not isinstance(supply, dict):
        return None
    days = _days(supply)
    return start + dt.timedelta(days=days - 1) if days else None


def _days(quantity: Resource) -> int | None:
    value = quantity.get("value")
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 10_000:
        return None
    days = units.convert(float(value), str(quantity.get("code") or quantity.get("unit") or "d"), "d")
    return round(days) if days else None


_ADMINISTERED: dict[str, DrugStatus] = {
    "completed": "completed",
    "in-progress": "active",
    "on-hold": "on-hold",
    "stopped": "stopped",
    "unknown": "unknown",
}


def _administration(resource: Resource) -> _Taken | None:
    status = _ADMINISTERED.get(str(resource.get("status")))
    if status is None:
        return None
    one = resource.get("dosage")
    dosages: list[Resource] = [one] if isinstance(one, dict) else []
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        start, end = day(period.get("start")), day(period.get("end"), last=True)
        given = (start,) if start and start == end else ()
        return _Taken(status, dosages, start, end, given)
    on = day(resource.get("effectiveDateTime"))
    return _Taken(status, dosages, on, on, (on,) if on else ())


_STATED: dict[str, DrugStatus] = {
    "active": "active",
    "completed": "completed",
    "intended": "planned",
    "stopped": "stopped",
    "on-hold": "on-hold",
    "unknown": "unknown",
}


def _statement(resource: Resource) -> _Taken | None:
    """A report of use; `not-taken` is none."""
    status = _STATED.get(str(resource.get("status")))
    if status is None:
        return None
    dosages = _dosages(resource.get("dosage"))
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        return _Taken(status, dosages, day(period.get("start")), day(period.get("end"), last=True))
    on = day(resource.get("effectiveDateTime"))
    return _Taken(status, dosages, on, on if status in ("completed", "stopped") else None)


_DISPENSED: dict[str, DrugStatus] = {
    "completed": "completed",
    "in-progress": "planned",
    "preparation": "planned",
    "on-hold": "on-hold",
    "unknown": "unknown",
}


def _dispense(resource: Resource) -> _Taken | None:
    status = _DISPENSED.get(str(resource.get("status")))
    if status is None:
        return None
    start = day(resource.get("whenHandedOver")) or day(resource.get("whenPrepared"))
    supply = resource.get("daysSupply")
    days = _days(supply) if isinstance(supply, dict) else None
    end = start + dt.timedelta(days=days - 1) if start and days else None
    return _Taken(status, _dosages(resource.get("dosageInstruction")), start, end)


_KINDS: dict[str, Callable[[Resource], _Taken | None]] = {
    "MedicationRequest": _request,
    "MedicationAdministration": _administration,
    "MedicationStatement": _statement,
    "MedicationDispense": _dispense,
}
