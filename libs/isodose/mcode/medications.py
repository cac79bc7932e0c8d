"""Drugs ordered, given, dispensed and taken: each an Exposure resolved to a concept of the terminology.

What is ordered is not known to be taken: orders are `planned` or `active` by their status. Drugs that are
in no value set are left out, antineoplastic agents by ATC excepted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from isodose.clinical.record import DrugStatus, Exposure
from isodose.clinical.terminology import (
    Coding,
    Concept,
    Drug,
    codings,
    drugs,
    product_names,
    value_set,
    words_of,
)
from isodose.mcode.chart import Chart, Reading, Resource, day, items, reference_to
from isodose.mcode.dosage import Step, administered, first_day_of, steps_of, words_of_dosage
from isodose.mcode.routes import route_of
from isodose.mcode.strengths import Strength, strength_of
from isodose.mcode.timings import whole_days

_MOST_MOMENTS = 400
_REASON_SETS = (
    "neurological_findings",
    "adverse_radiation_effects",
    "steroid_toxicity",
    "metastases",
    "comorbidities",
)


@dataclass(frozen=True)
class _Taken:
    """When and whether one resource says a drug is taken."""

    status: DrugStatus
    dosages: list[bytes]
    start: dt.date | None = None
    end: dt.date | None = None
    given_on: tuple[dt.date, ...] = ()
    draft: bool = False
    administered: bool = False


def read(chart: Chart, reading: Reading) -> None:
    """All medication resources of the patient."""
    for kind, taken_of in _KINDS.items():
        for resource in chart.of(kind):
            if resource.get("doNotPerform") is True:
                continue
            taken = taken_of(resource)
            if taken is not None:
                _write(chart, reading, resource, taken)


def place(exposure: Exposure) -> tuple[str, str, dt.date, dt.date]:
    """By what exposures are put in order: those of one resource by drug and day."""
    return exposure.ref, exposure.concept, exposure.start or dt.date.min, exposure.end or dt.date.max


def _write(chart: Chart, reading: Reading, resource: Resource, taken: _Taken) -> None:
    medication = _medication(chart, resource)
    if not medication.drugs:
        return
    ref = reference_to(resource)
    steps = _steps(medication.strength, taken)
    indication = _indication(chart, resource)
    text = _own_words(medication.text, taken.dosages)
    for drug in medication.drugs:
        route = route_of(medication.codes, medication.words, taken.dosages, drug.local_code)
        reading.exposures += [
            Exposure(
                ref=ref,
                concept=drug.concept.id,
                drug_class=drug.concept.role,
                status=taken.status,
                certainty=drug.certainty,
                start=step.start,
                end=step.end,
                given_on=taken.given_on,
                daily_dose_mg=step.daily.exact,
                least_daily_dose_mg=step.daily.least if step.daily.exact is None else None,
                cycle_days=step.cycle_days,
                dose_in_words=not step.certain,
                route=route,
                as_needed=step.as_needed,
                indication=indication,
                text=text,
                draft=taken.draft,
            )
            for step in steps
        ]
        if drug.certainty != "sure":
            said = "The drug has no code that is known; it was recognised by its name"
            reading.problem("drug-by-name", said, ref, f"{resource['resourceType']}.medication")
    reading.read.add(ref)
    if taken.start and taken.end and taken.end < taken.start:
        reading.problem("ends-before-it-begins", "The drug ends before it begins", ref)


def _steps(strength: Strength, taken: _Taken) -> list[Step]:
    """The stretches of one order; of moments listed one by one, a day each."""
    if taken.administered:
        return [administered(taken.dosages, strength, taken.start, taken.end)]
    found: list[Step] = []
    for step in steps_of(taken.dosages, strength, taken.start, taken.end):
        days = step.given_on[:_MOST_MOMENTS]
        found += [replace(step, start=day, end=day, given_on=()) for day in days] or [step]
    return found


@dataclass(frozen=True)
class _Medication:
    """What names a drug: codes, words, the name as written; the drugs found and the strength told."""

    codes: list[Coding]
    words: str
    text: str
    drugs: list[Drug]
    strength: Strength


def _medication(chart: Chart, resource: Resource) -> _Medication:
    """The drug of a resource, form and ingredients of a Medication resource included."""
    concept = resource.get("medicationCodeableConcept")
    reference = resource.get("medicationReference")
    medication = chart.at(resource, reference) if reference is not None else None
    if medication is not None:
        parts: list[Any] = [concept, medication.get("code"), medication.get("form")]
        for ingredient in items(medication.get("ingredient")):
            if isinstance(ingredient, dict):
                parts.append(ingredient.get("itemCodeableConcept"))
        return _named(parts, medication)
    if isinstance(reference, dict):
        return _named([concept, str(reference.get("display") or "")], None)
    return _by_concept(orjson.dumps(concept))


@lru_cache(maxsize=4096)
def _by_concept(written: bytes) -> _Medication:
    """The same concept stands in many orders of one patient: it is looked up once."""
    return _named([orjson.loads(written)], None)


def _named(parts: list[Any], medication: Resource | None) -> _Medication:
    given, words = codings(*parts), words_of(*parts)
    found = drugs(given, words) or _antineoplastic(given)
    names = [*_names(parts), *product_names(given)] if found else []
    return _Medication(given, words, _text(parts), found, strength_of(names, medication))


def _names(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield str(part.get("text") or "")
            yield from (str(c.get("display") or "") for c in items(part.get("coding")) if isinstance(c, dict))


def _text(parts: list[Any]) -> str:
    for part in parts:
        if isinstance(part, str) and part:
            return part
        if isinstance(part, dict):
            displays = (c.get("display") for c in items(part.get("coding")) if isinstance(c, dict))
            if text := part.get("text") or next(filter(None, displays), ""):
                return str(text)
    return ""


def _own_words(drug: str, dosages: list[bytes]) -> str:
    """The drug and the instructions as the order words them."""
    said = [words_of_dosage(one) for one in dosages]
    return "; ".join(dict.fromkeys(filter(None, (drug, *said))))


def _antineoplastic(given: list[Coding]) -> list[Drug]:
    """Any agent of ATC group L01 counts as an anticancer drug, also one that no value set names."""
    code = next((c.code for c in given if c.system == "atc" and c.code.startswith("L01")), None)
    if code is None:
        return []
    return [Drug(Concept(display=code, role="antineoplastic", id=f"atc_{code}"), "likely")]


def _indication(chart: Chart, resource: Resource) -> str:
    """The concept of the reason where it is known, else the reason's words."""
    if not (resource.get("reasonCode") or resource.get("reasonReference")):
        return ""
    reasons = items(resource.get("reasonCode"))
    for reference in items(resource.get("reasonReference")):
        if (condition := chart.at(resource, reference)) is not None:
            reasons.append(condition.get("code"))
    given = codings(*reasons)
    for name in _REASON_SETS:
        if (concept := value_set(name).match(given)) is not None:
            return concept.id
    return _text(reasons)


def _dosages(value: Any) -> list[bytes]:
    """Each Dosage as JSON: one that is written again and again is read once."""
    return [orjson.dumps(d) for d in items(value) if isinstance(d, dict)]


def _first_day(dosages: list[bytes]) -> dt.date | None:
    """The first day that the instructions name."""
    return min(filter(None, map(first_day_of, dosages)), default=None)


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
    if resource.get("intent") in ("proposal", "plan", "option") and status == "active":
        status = "planned"
    dosages = _dosages(resource.get("dosageInstruction"))
    start = _first_day(dosages) or day(resource.get("authoredOn"))
    end = _supplied_until(resource, start, status) if start is not None else None
    return _Taken(status, dosages, start, end, draft=draft)


def _supplied_until(resource: Resource, start: dt.date, status: DrugStatus) -> dt.date | None:
    request = resource.get("dispenseRequest")
    supply = request.get("expectedSupplyDuration") if isinstance(request, dict) else None
    if status != "completed" or not isinstance(supply, dict):
        return None
    days = whole_days(supply)
    return start + dt.timedelta(days=days - 1) if days else None


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
    dosages = _dosages(resource.get("dosage"))
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        start, end = day(period.get("start")), day(period.get("end"), last=True)
        given = (start,) if start and start == end else ()
        return _Taken(status, dosages, start, end, given, administered=True)
    on = day(resource.get("effectiveDateTime"))
    return _Taken(status, dosages, on, on, (on,) if on else (), administered=True)


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
    days = whole_days(supply)
    end = start + dt.timedelta(days=days - 1) if start and days else None
    return _Taken(status, _dosages(resource.get("dosageInstruction")), start, end)


_KINDS: dict[str, Callable[[Resource], _Taken | None]] = {
    "MedicationRequest": _request,
    "MedicationAdministration": _administration,
    "MedicationStatement": _statement,
    "MedicationDispense": _dispense,
}
