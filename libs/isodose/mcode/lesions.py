"""Brain lesions, their sizes and volumes, and how many there are.

Tumor and RadiotherapyVolume BodyStructures, TumorSize Observations
(https://hl7.org/fhir/us/mcode/StructureDefinition-mcode-tumor-size.html), volumes and counts.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from isodose.clinical.terminology import codings, value_set, words_of
from isodose.mcode import units
from isodose.mcode.chart import Chart, Reading, Resource, fact, items, reference_to, targets_of
from isodose.mcode.days import effective_day
from isodose.mcode.sites import extent_of, is_lesion_site, site_region

_NOT_READ = ("cancelled",)
_STRUCTURE = re.compile(
    r" *\(body structure\)$|^structure of (the )?| structure(?= *(\(body structure\))?$)", re.I
)


def read(chart: Chart, reading: Reading) -> None:
    """Lesions first, then what is measured of them."""
    for structure in chart.of("BodyStructure"):
        if _is_lesion(structure):
            reading.subject("lesion", reference_to(structure), label_of(structure))
            reading.read.add(reference_to(structure))
    measured = value_set("tumour_measurements")
    for observation in chart.of("Observation"):
        concept = measured.match(chart.codes(observation))
        if concept is None or observation.get("status") in _NOT_READ:
            continue
        if concept.id == "number_of_lesions":
            _count(reading, observation)
        elif concept.id == "tumour_volume":
            _volume(chart, reading, observation)
        elif concept.id == "tumour_size":
            _size(chart, reading, observation)


def label_of(structure: Resource) -> str:
    """A short name for a lesion, as a report writes it: `left frontal lobe`."""
    parts = [_text(q) for q in items(structure.get("locationQualifier")) if not extent_of(q)]
    parts.append(_place(structure.get("location")))
    return " ".join(_within_a_sentence(part) for part in parts if part)


def _place(location: Any) -> str:
    """The place without the `structure` of SNOMED CT; an adjective left alone gives way to the noun."""
    words = _text(location)
    plain = _STRUCTURE.sub("", words).strip()
    if plain == words or " " in plain:
        return plain
    concept = value_set("body_sites").match(codings(location))
    return concept.display if concept is not None else plain


def _within_a_sentence(words: str) -> str:
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def _text(concept: Any) -> str:
    if not isinstance(concept, dict):
        return ""
    displays = (str(c.get("display") or "") for c in items(concept.get("coding")) if isinstance(c, dict))
    return str(concept.get("text") or next(filter(None, displays), ""))


def _is_lesion(structure: Resource) -> bool:
    """An active structure in the brain that is neither an irradiated volume nor an organ at risk.

    Volumes become lesions where a course or a plan treats them (radiotherapy reader).
    """
    if structure.get("active") is False:
        return False
    kind = value_set("radiotherapy").match(codings(structure.get("morphology")))
    if kind is not None and kind.role == "rt_volume_type":
        return False
    if extent_of(structure.get("locationQualifier")) == "entire":
        return False
    return bool(structure.get("location")) and is_lesion_site(structure.get("location"))


def _count(reading: Reading, observation: Resource) -> None:
    """The number of lesions counts only where the site is the brain."""
    ref = reference_to(observation)
    if site_region(observation.get("bodySite")) != "brain":
        text = "A number of lesions is read only where bodySite is the brain"
        reading.problem("site-not-brain", text, ref, "Observation.bodySite")
        return
    value = observation.get("valueInteger")
    quantity = observation.get("valueQuantity")
    if value is None and isinstance(quantity, dict) and not quantity.get("comparator"):
        value = quantity.get("value")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 and value == int(value):
        reading.state(fact("lesion_count", int(value), ref, effective_day(observation)))


def _volume(chart: Chart, reading: Reading, observation: Resource) -> None:
    """The generic code Volume counts only for a lesion in focus."""
    ref = reference_to(observation)
    value = _measured(reading, observation.get("valueQuantity"), "mL", ref)
    if value is None:
        return
    for lesion in _lesions_in_focus(chart, reading, observation):
        reading.state(fact("lesion_volume_ml", value, ref, effective_day(observation)), "lesion", lesion)


def _size(chart: Chart, reading: Reading, observation: Resource) -> None:
    """Longest dimension in cm, and both diameters in mm as response criteria use them."""
    ref, on = reference_to(observation), effective_day(observation)
    measured = value_set("tumour_measurements")
    longest: list[float] = []
    others: list[float] = []
    for component in items(observation.get("component")):
        concept = measured.match(codings(component.get("code"))) if isinstance(component, dict) else None
        if concept is None:
            continue
        value = _measured(reading, component.get("valueQuantity"), "mm", ref)
        if value is not None:
            (longest if concept.id == "tumour_longest_dimension" else others).append(value)
    for lesion in _lesions_in_focus(chart, reading, observation):
        if longest:
            _state_longest(reading, lesion, max(longest), ref, on)
        if others:
            reading.state(fact("perpendicular_diameter_mm", max(others), ref, on), "lesion", lesion)


def _state_longest(reading: Reading, lesion: str, longest: float, ref: str, on: dt.date | None) -> None:
    centimetres = units.convert(longest, "mm", "cm")
    if centimetres is not None:
        reading.state(fact("lesion_diameter_cm", centimetres, ref, on), "lesion", lesion)
    reading.state(fact("longest_diameter_mm", longest, ref, on), "lesion", lesion)


def _measured(reading: Reading, quantity: Any, unit: str, ref: str) -> float | None:
    if not isinstance(quantity, dict) or quantity.get("comparator"):
        return None
    value = quantity.get("value")
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
        return None
    converted = units.convert(float(value), str(quantity.get("code") or quantity.get("unit") or ""), unit)
    if converted is None:
        text = f"A measurement of a lesion is given in a unit that does not fit; wanted is {unit}"
        reading.problem("unit-does-not-fit", text, ref, "Observation")
    return converted


def _lesions_in_focus(chart: Chart, reading: Reading, observation: Resource) -> list[str]:
    """The lesions an Observation is about: its focus, else the only lesion when its site is the brain."""
    focus = [ref for ref in targets_of(observation.get("focus")) if ref.startswith("BodyStructure/")]
    known = set(reading.refs("lesion"))
    lesions = [ref for ref in focus if ref in known]
    if focus or lesions:
        return lesions
    if " brain " not in words_of(observation.get("bodySite")) and (
        site_region(observation.get("bodySite")) != "brain"
    ):
        return []
    if len(known) == 1:
        return sorted(known)
    text = f"It does not say which lesion it measures, and the record has {len(known)}"
    reading.problem("which-subject", text, reference_to(observation), "Observation.focus")
    return []
