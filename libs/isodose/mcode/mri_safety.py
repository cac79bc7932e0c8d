"""What on record speaks against MRI or its contrast: implants, foreign bodies, allergies, claustrophobia.

An active implant holds MRI back until somebody has checked it; many are safe under their maker's conditions,
so the fact is `ask`. A brain MRI done afterwards shows that it can be. The rest is a question beside the plan
and stops nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from isodose.clinical.terminology import Coding, Concept, codings, value_set
from isodose.mcode.chart import Chart, Reading, Resource, items, reference_to
from isodose.mcode.conditions import began_on, holds
from isodose.mcode.days import days_done

_HOLDS_BACK = ("cardiac_pacemaker", "implantable_defibrillator", "cochlear_implant", "neurostimulator")
_ASKED = {
    "aneurysm_clip": "Is the clip safe in the scanner?",
    "metallic_foreign_body_eye": "Is it metal?",
    "claustrophobia": "Is sedation, an open scanner or CT wanted?",
    "contrast_allergy": "Was it gadolinium, and how severe? Which agent and preparation are wanted?",
    "gadolinium": "How severe was it? Which agent and preparation are wanted?",
}


class _Remark(NamedTuple):
    ref: str
    on: dt.date | None
    concept: Concept


def read(chart: Chart, reading: Reading) -> None:
    """State `mri_contraindicated` and `mri_check_needed`. Scans have to be read before."""
    done = sorted(
        scan.on
        for scan in reading.scans
        if scan.on and (scan.modality, scan.region, scan.status) == ("MR", "brain", "done")
    )
    for remark in [*_conditions(chart), *_devices(chart), *_procedures(chart), *_allergies(chart)]:
        if remark.concept.id not in _HOLDS_BACK:
            _ask(reading, remark, _ASKED.get(remark.concept.id, ""))
        elif remark.on is None and done:
            _ask(reading, remark, "It has no date. Was it there at the last MRI, and is MRI safe with it?")
        else:
            why = f"{_on_record(remark)} MRI waits until it is checked whether it is safe with it."
            _state(reading, "mri_contraindicated", True, remark, why)
            later = next((scan for scan in done if remark.on and scan >= remark.on), None)
            if later:
                why = f"A brain MRI was done on {later} with it: {remark.concept.display.lower()}."
                _state(reading, "mri_contraindicated", False, remark._replace(on=later), why)


def _conditions(chart: Chart) -> Iterator[_Remark]:
    for condition in chart.of("Condition"):
        if holds(condition):
            yield from _remarks(condition, chart.codes(condition), began_on(condition))


def _devices(chart: Chart) -> Iterator[_Remark]:
    """R4 gives a Device no day of implantation."""
    for device in chart.of("Device"):
        if device.get("status") != "inactive" and device.get("patient"):
            yield from _remarks(device, codings(device.get("type")), None)


def _procedures(chart: Chart) -> Iterator[_Remark]:
    for procedure in chart.of("Procedure"):
        if procedure.get("status") == "completed":
            on, _ = days_done(procedure)
            yield from _remarks(procedure, chart.codes(procedure), on)


def _allergies(chart: Chart) -> Iterator[_Remark]:
    for allergy in chart.of("AllergyIntolerance"):
        if holds(allergy):
            substances = [r.get("substance") for r in items(allergy.get("reaction")) if isinstance(r, dict)]
            given = [*chart.codes(allergy), *codings(*substances)]
            yield from _remarks(allergy, given, began_on(allergy))


def _remarks(resource: Resource, given: list[Coding], on: dt.date | None) -> Iterator[_Remark]:
    """Contrast is a question where it is an allergy; kidney disease is judged by the eGFR, not here."""
    for concept in value_set("mri_safety").matches(given):
        if concept.role == "mri_contraindication" or concept.id in _ASKED:
            yield _Remark(reference_to(resource), on, concept)


def _on_record(remark: _Remark) -> str:
    return f"On record{f' since {remark.on}' if remark.on else ''}: {remark.concept.display.lower()}."


def _ask(reading: Reading, remark: _Remark, question: str) -> None:
    _state(reading, "mri_check_needed", True, remark, f"{_on_record(remark)} {question}".strip())


def _state(reading: Reading, name: str, value: bool, remark: _Remark, why: str) -> None:
    """A fact to be confirmed, from the day of the `remark` on."""
    reading.infer(name, value, remark.ref, remark.on, why=why, certainty="ask")
