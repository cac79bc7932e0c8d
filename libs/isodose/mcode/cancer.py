"""What the conditions of a patient tell: histology, where the cancer has spread, and what else matters.

Primary and secondary cancer conditions of mCODE (https://hl7.org/fhir/us/mcode). Facts found here are derived
from diagnoses, so a fact stated directly counts more.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from isodose.clinical.record import Certainty, FactScalar
from isodose.clinical.terminology import Coding, Concept, codings, value_set
from isodose.mcode.chart import Chart, Reading, Resource, extensions, reference_to
from isodose.mcode.conditions import began_on, is_over, is_refuted
from isodose.mcode.days import day

_GI = {
    "colorectal_cancer",
    "oesophageal_cancer",
    "gastric_cancer",
    "hepatocellular_carcinoma",
    "pancreatic_cancer",
}
_LUNG_BY_MORPHOLOGY = {
    "adenocarcinoma": ("nsclc", "adenocarcinoma"),
    "squamous_cell_carcinoma": ("nsclc", "non_adenocarcinoma"),
    "large_cell_carcinoma": ("nsclc", "non_adenocarcinoma"),
    "non_small_cell_carcinoma": ("nsclc", ""),
    "small_cell_carcinoma": ("sclc", ""),
}
_NSCLC_SUBTYPE_BY_CODE = {"254626006": "adenocarcinoma", "254634000": "non_adenocarcinoma"}


class _Primary(NamedTuple):
    condition: Resource
    concept: Concept
    histology: str
    subtype: str


def read(chart: Chart, reading: Reading) -> None:
    """Every condition that is neither refuted nor entered in error."""
    primaries: list[_Primary] = []
    for condition in chart.of("Condition"):
        if is_refuted(condition):
            continue
        given = codings(condition.get("code"))
        primary = value_set("primary_cancers").match(given)
        if primary is not None:
            primaries.append(_primary(condition, primary, given))
        if is_over(condition):
            continue
        _spread(reading, condition, given)
        _brain(reading, condition, given)
    _histology(reading, primaries)


def _morphology(condition: Resource) -> Concept | None:
    """The morphology extension of mCODE; ICD-O-3 without its behaviour digit."""
    for extension in extensions(condition, "mcode-histology-morphology-behavior"):
        given = [
            Coding(c.system, c.code.partition("/")[0]) if c.system == "icdo3" else c
            for c in codings(extension.get("valueCodeableConcept"))
        ]
        if (found := value_set("morphologies").match(given)) is not None:
            return found
    return None


def _primary(condition: Resource, concept: Concept, given: list[Coding]) -> _Primary:
    morphology = _morphology(condition)
    histology, subtype = concept.histology, ""
    if concept.id in ("lung_primary_unspecified", "nsclc", "sclc"):
        if morphology is not None and morphology.id in _LUNG_BY_MORPHOLOGY:
            told, subtype = _LUNG_BY_MORPHOLOGY[morphology.id]
            histology = histology if histology != "unknown" else told
        by_code = (s for c in given if (s := _NSCLC_SUBTYPE_BY_CODE.get(c.code)))
        subtype = next(by_code, subtype)
    elif morphology is not None and morphology.histology and histology in ("unknown", ""):
        histology = morphology.histology
    return _Primary(condition, concept, histology or "unknown", subtype if histology == "nsclc" else "")


def _histology(reading: Reading, primaries: list[_Primary]) -> None:
    """One histology: where several primaries disagree, or none tells it, it is unknown and said."""
    if not primaries:
        return
    known = sorted({p.histology for p in primaries if p.histology != "unknown"})
    telling = [p for p in primaries if p.histology in known] or primaries
    latest = max(telling, key=lambda p: (str(_on(p.condition) or ""), reference_to(p.condition)))
    for primary in primaries:
        reading.read.add(reference_to(primary.condition))
        if not known and primary.concept.caution:
            ref = reference_to(primary.condition)
            reading.problem("histology-not-told", primary.concept.caution, ref, "Condition.code")
    value = known[0] if len(known) == 1 else "unknown"
    if len(known) > 1:
        text = f"The conditions name different primaries: {', '.join(known)}"
        reading.problem("several-primaries", text, reference_to(latest.condition), "Condition.code")
    reason = f"The diagnosis is {latest.concept.display}."
    _derive(reading, latest.condition, "histology", value, reason)
    if value == "unknown":
        return
    _derive(reading, latest.condition, "gi_primary", latest.concept.id in _GI, reason)
    if subtype := next((p.subtype for p in telling if p.subtype), ""):
        _derive(reading, latest.condition, "nsclc_subtype", subtype, reason)
    if latest.concept.id == "breast_cancer_her2_positive":
        _derive(reading, latest.condition, "molecular.HER2", "positive", reason)
    if latest.concept.id == "breast_cancer_triple_negative":
        _derive(reading, latest.condition, "molecular.HER2", "negative", reason)
        _derive(reading, latest.condition, "breast_subtype", "basal", reason)


def _spread(reading: Reading, condition: Resource, given: list[Coding]) -> None:
    concept = value_set("metastases").match(given)
    if concept is None:
        return
    reading.read.add(reference_to(condition))
    reason = f"A condition says {concept.display}."
    if concept.id == "leptomeningeal_disease":
        unsure = all(c.code == "C79.49" for c in given)
        _derive(reading, condition, "lmd_present", True, reason, certainty="ask" if unsure else "likely")
    elif concept.role == "metastasis_extracranial":
        _derive(reading, condition, "extracranial_metastases_present", True, reason, certainty="likely")


def _brain(reading: Reading, condition: Resource, given: list[Coding]) -> None:
    ref = reference_to(condition)
    if value_set("primary_brain_tumours").match(given) is not None:
        text = "A primary brain tumour is coded, which is no proof of a brain metastasis"
        reading.problem("primary-brain-tumour", text, ref, "Condition.code")
    finding = value_set("neurological_findings").match(given)
    if finding is not None and finding.id == "cognitive_impairment":
        reason = "A condition says cognitive impairment."
        _derive(reading, condition, "baseline_cognitive_impairment", True, reason, certainty="likely")
    state = value_set("pregnancy").match(given)
    values = {"pregnancy": "yes", "not_pregnant": "no", "possible_pregnancy": "unknown"}
    if state is not None:
        _derive(reading, condition, "pregnant", values[state.id], f"A condition says {state.display}.")
    effects = value_set("adverse_radiation_effects")
    if effects.match(given) is None and (loose := effects.refused(given)) is not None:
        text = f"This code may stand for {loose.display.lower()}, but alone it proves nothing; it is not used"
        reading.problem("code-not-specific", text, ref, "Condition.code")


def _on(condition: Resource) -> dt.date | None:
    for extension in extensions(condition, "condition-assertedDate"):
        if (found := day(extension.get("valueDateTime"))) is not None:
            return found
    return began_on(condition)


def _derive(
    reading: Reading,
    condition: Resource,
    name: str,
    value: FactScalar,
    reason: str,
    *,
    certainty: Certainty = "sure",
) -> None:
    """State a fact that follows from a diagnosis, from the day of the diagnosis on."""
    on = day(condition.get("recordedDate")) or day(condition.get("onsetDateTime"))
    reading.infer(name, value, reference_to(condition), on, why=reason, certainty=certainty)
