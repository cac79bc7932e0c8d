"""How the patient and the cancer are doing: Karnofsky, ECOG, laboratory values, disease status.

mCODE performance status (https://hl7.org/fhir/us/mcode/StructureDefinition-mcode-karnofsky-performance-status.html)
and cancer disease status, whose LOINC code changed between releases: both are read.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from isodose.clinical import facts
from isodose.clinical.record import Certainty, FactScalar
from isodose.clinical.terminology import Concept, codings, value_set, words_of
from isodose.mcode import units
from isodose.mcode.chart import Chart, Reading, Resource, extensions, fact, items, reference_to, targets_of
from isodose.mcode.days import effective_day
from isodose.mcode.sites import site_region

_LABS = {
    "haemoglobin": "hemoglobin_g_dl",
    "egfr_renal": "egfr_ml_min_1_73",
}
_TREND = {
    "disease_status_improved": "responding",
    "disease_status_partial_remission": "responding",
    "disease_status_full_remission": "none",
    "disease_status_stable": "stable",
    "disease_status_worsened": "progressing",
}
_PANEL = "89262-0"


class _Source(NamedTuple):
    ref: str
    on: dt.date | None
    why: str


def read(chart: Chart, reading: Reading) -> None:
    """Observations of performance status, laboratory and disease status."""
    for observation in chart.of("Observation"):
        if observation.get("status") == "cancelled":
            continue
        given = chart.codes(observation)
        if (score := value_set("performance_status").match(given)) is not None:
            _score(reading, observation, score)
        elif (lab := value_set("labs").match(given)) is not None:
            _lab(reading, observation, lab)
        elif value_set("disease_status").match(given) is not None:
            _disease(chart, reading, observation)


def _score(reading: Reading, observation: Resource, concept: Concept) -> None:
    """The score itself, or the LOINC answer that stands for it. The observation's code tells the scale."""
    ref = reference_to(observation)
    value = _number(observation)
    if value is None:
        value = _answer(observation, concept.id)
    scale = facts.vocabulary().get(concept.id)
    if value is None or scale is None:
        return
    if all(c.code == _PANEL for c in codings(observation.get("code"))):
        text = "The code is that of the ECOG panel, not of the score; the value is taken as the score"
        reading.problem("panel-not-score", text, ref, "Observation.code")
    if not scale.least <= value <= scale.most:
        text = f"The score is outside {scale.least:g} to {scale.most:g}"
        reading.problem("value-out-of-range", f"{concept.id}: {text}", ref, "Observation.value")
        return
    reading.state(fact(concept.id, value, ref, effective_day(observation)))


def _number(observation: Resource) -> int | None:
    value = observation.get("valueInteger")
    quantity = observation.get("valueQuantity")
    if value is None and isinstance(quantity, dict) and not quantity.get("comparator"):
        value = quantity.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        return None
    return int(value)


def _answer(observation: Resource, scale: str) -> int | None:
    given = codings(observation.get("valueCodeableConcept"), observation.get("interpretation"))
    for coding in given:
        if coding.code == "LA9627-6":
            return 0 if scale == "kps" else 5
        answer = value_set("performance_status").get(coding)
        if answer is not None and answer.value is not None and answer.id.startswith(f"{scale}_"):
            return answer.value
    return None


def _lab(reading: Reading, observation: Resource, concept: Concept) -> None:
    ref, on = reference_to(observation), effective_day(observation)
    if concept.id == "pregnancy_test":
        words = words_of(observation.get("valueCodeableConcept"), str(observation.get("valueString") or ""))
        result = "yes" if " positive " in words else "no" if " negative " in words else ""
        if result:
            reading.state(fact("pregnant", result, ref, on, certainty="likely", stated=False))
        return
    name = _LABS.get(concept.id)
    quantity = observation.get("valueQuantity")
    if name is None or not isinstance(quantity, dict) or quantity.get("comparator"):
        return
    value = quantity.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    shape = fact(name, 0.0, ref)
    written = str(quantity.get("code") or quantity.get("unit") or "")
    converted = units.convert(float(value), written, shape.unit)
    if converted is None:
        text = f"{name}: the unit does not fit; wanted is {shape.unit}"
        reading.problem("unit-does-not-fit", text, ref, "Observation.valueQuantity.code")
        return
    reading.state(fact(name, converted, ref, on))


def _disease(chart: Chart, reading: Reading, observation: Resource) -> None:
    """The trend of what is in focus: the brain, or the disease outside it. Without focus it tells nothing."""
    concept = value_set("disease_status").match(codings(observation.get("valueCodeableConcept")))
    if concept is None or concept.id not in _TREND:
        return
    ref = reference_to(observation)
    where = _focus(chart, observation)
    if not where:
        text = "The disease status does not say whether it is about the brain or about the disease elsewhere"
        reading.problem("which-subject", text, ref, "Observation.focus")
        return
    why = f"The disease status is {concept.display.partition(': ')[2]}."
    source = _Source(ref, effective_day(observation), why)
    if where == "brain":
        _brain_status(reading, observation, concept, source)
        return
    trend = _TREND[concept.id]
    if where == "primary" and trend == "none":
        return
    certainty: Certainty = "likely" if where == "outside" else "ask"
    _derive(reading, "extracranial_disease_status", trend, source, certainty)


def _brain_status(reading: Reading, observation: Resource, concept: Concept, source: _Source) -> None:
    if concept.id == "disease_status_worsened":
        _derive(reading, "brain_disease_stable", False, source, "likely")
        progression = _progression(observation)
        if progression:
            _derive(reading, "intracranial_progression_type", progression, source, "likely")
        return
    if concept.id == "disease_status_stable":
        _derive(reading, "brain_disease_stable", True, source, "likely")
        _derive(reading, "intracranial_progression_type", "none", source, "likely")


def _progression(observation: Resource) -> str:
    """Local or distant, by the qualifier that CodeX puts on the value."""
    value = observation.get("valueCodeableConcept")
    if not isinstance(value, dict):
        return ""
    qualifiers = [e.get("valueCodeableConcept") for e in extensions(value, "progression-qualifier")]
    found = {c.id for c in value_set("disease_status").matches(codings(qualifiers))}
    local, distant = "progression_local" in found, "progression_distant" in found
    return "both" if local and distant else "local" if local else "distant" if distant else ""


def _focus(chart: Chart, observation: Resource) -> str:
    """`brain`, `outside`, `primary` (which may or may not mean the brain too), or nothing."""
    for target in targets_of(observation.get("focus")):
        resource = chart.by_ref.get(target)
        if resource is None:
            continue
        if resource.get("resourceType") == "BodyStructure":
            return "brain" if site_region(resource.get("location")) == "brain" else "outside"
        given = codings(resource.get("code"))
        spread = value_set("metastases").match(given)
        if spread is not None and spread.role != "metastasis":
            return "brain" if spread.role == "metastasis_cns" else "outside"
        if value_set("primary_cancers").match(given) is not None:
            return "primary"
    sites = items(observation.get("bodySite"))
    return {"brain": "brain", "other": "outside"}.get(site_region(sites), "") if sites else ""


def _derive(reading: Reading, name: str, value: FactScalar, source: _Source, certainty: Certainty) -> None:
    reading.infer(name, value, source.ref, source.on, why=source.why, certainty=certainty)
