"""Drugs ordered, given, dispensed and taken: each an Exposure resolved to a concept of the terminology.

Drugs that are in no value set are left out, antineoplastic agents by ATC excepted.
"""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from isodose.clinical.record import Exposure
from isodose.clinical.terminology import codings, value_set
from isodose.mcode.chart import Chart, Reading, Resource, items, reference_to
from isodose.mcode.dosage import Step, administered, steps_of
from isodose.mcode.dosage_words import words_of_dosage
from isodose.mcode.drug_named import Medication, medication_of, text_of
from isodose.mcode.drug_use import MEDICATIONS, Use, use_of
from isodose.mcode.routes import route_of
from isodose.mcode.strengths import Strength

_MOST_MOMENTS = 400
_REASON_SETS = (
    "neurological_findings",
    "adverse_radiation_effects",
    "steroid_toxicity",
    "metastases",
    "comorbidities",
)


def read(chart: Chart, reading: Reading) -> None:
    """All medication resources of the patient."""
    for kind in MEDICATIONS:
        for resource in chart.of(kind):
            if resource.get("doNotPerform") is True:
                continue
            medication = medication_of(chart, resource)
            if medication.drugs and (use := use_of(resource)) is not None:
                _write(chart, reading, resource, medication, use)


def place(exposure: Exposure) -> tuple[str, str, dt.date, dt.date]:
    """By what exposures are put in order: those of one resource by drug and day."""
    return exposure.ref, exposure.concept, exposure.start or dt.date.min, exposure.end or dt.date.max


def _write(chart: Chart, reading: Reading, resource: Resource, medication: Medication, use: Use) -> None:
    ref = reference_to(resource)
    steps = _steps(medication.strength, use)
    indication = _indication(chart, resource)
    text = _own_words(medication.text, use.dosages)
    for drug in medication.drugs:
        route = route_of(medication.codes, medication.words, use.dosages, drug.local_code)
        reading.exposures += [
            Exposure(
                ref=ref,
                concept=drug.concept.id,
                drug_class=drug.concept.role,
                status=use.status,
                certainty=drug.certainty,
                start=step.start,
                end=step.end,
                given_on=use.given_on,
                daily_dose_mg=step.daily.exact,
                least_daily_dose_mg=step.daily.least if step.daily.exact is None else None,
                cycle_days=step.cycle_days,
                dose_in_words=not step.certain,
                route=route,
                as_needed=step.as_needed,
                indication=indication,
                text=text,
                draft=use.draft,
                status_reason=use.reason,
            )
            for step in steps
        ]
        if drug.certainty != "sure":
            said = "The drug has no code that is known; it was recognised by its name"
            reading.problem("drug-by-name", said, ref, f"{resource['resourceType']}.medication")
    reading.read.add(ref)
    if use.start and use.end and use.end < use.start:
        reading.problem("ends-before-it-begins", "The drug ends before it begins", ref)


def _steps(strength: Strength, use: Use) -> list[Step]:
    """The stretches of one order, those it was broken off before left out; of moments a day each."""
    if use.administered:
        return [administered(use.dosages, strength, use.start, use.end)]
    found: list[Step] = []
    for step in steps_of(use.dosages, strength, use.start, use.end):
        days = step.given_on[:_MOST_MOMENTS]
        found += [replace(step, start=day, end=day, given_on=()) for day in days] or [step]
    begun = [s for s in found if use.end is None or s.start is None or s.start <= use.end]
    return begun or found[:1]


def _own_words(drug: str, dosages: list[bytes]) -> str:
    """The drug and the instructions as the order words them."""
    said = [words_of_dosage(one) for one in dosages]
    return "; ".join(dict.fromkeys(filter(None, (drug, *said))))


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
    return text_of(reasons)
