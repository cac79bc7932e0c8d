"""Each trial as an R4 ResearchStudy: the same for every patient, with its criteria as a Group.

A study tells nothing about a patient; how it matches one stands in the RequestGroup that points to it.
https://hl7.org/fhir/R4/researchstudy.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from eligibility_scoring.citations import artifact
from eligibility_scoring.trials import wording
from eligibility_scoring.trials.catalogue import Criteria, Trial, catalogue, is_registered, registry_page
from eligibility_scoring.trials.groups import group
from eligibility_scoring.trials.matching import matcher
from eligibility_scoring.trials.words import coding, spoken
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

REGISTRY = "http://clinicaltrials.gov"
_PHASES = {"I": "phase-1", "II": "phase-2", "III": "phase-3", "early phase": "early-phase-1"}
_STATUS = {
    "ongoing": "active",
    "published": "completed",
    "terminated": "closed-to-accrual",
    "unpublished": "approved",
}
_APPROVED_ONLY = (
    'R4 has no status for a trial that is ongoing or unpublished: "approved" says that its protocol was '
    "approved, and nothing of recruitment."
)
_BRAIN_METASTASES = {
    "coding": [{"system": "http://snomed.info/sct", "code": "94225005"}],
    "text": "Brain metastases",
}


@cache
def studies(base: str) -> tuple[Resource, ...]:
    """Every trial of the catalogue, with its id."""
    return tuple(study(trial_id, base) for trial_id in catalogue().trials)


@cache
def study(trial_id: str, base: str) -> Resource:
    """One trial. Not to be changed by the caller: it is made once."""
    trial = catalogue().trials[trial_id]
    made: Resource = {
        "resourceType": "ResearchStudy",
        "id": study_id(trial_id),
        "contained": [group(trial, matcher().criteria[trial_id], base)],
        "identifier": list(_identifiers(trial_id, base)),
        "title": trial.name,
        "status": _STATUS[trial.status],
        "category": [{"text": trial.design}] if trial.design else None,
        "phase": _phase(trial),
        "condition": [_BRAIN_METASTASES],
        "keyword": _keywords(trial.criteria, base),
        "relatedArtifact": [*_registry(trial_id), *(artifact(source) for source in trial.evidence)],
        "description": _description(trial),
        "enrollment": [{"reference": "#criteria"}],
        "note": [{"text": text} for text in _notes(trial)],
    }
    return {name: value for name, value in made.items() if value}


def study_id(trial_id: str) -> str:
    return result_id(_key(trial_id))


def _key(trial_id: str) -> str:
    return f"eligibility_scoring/trial/{trial_id}"


def _identifiers(trial_id: str, base: str) -> Iterator[Resource]:
    if is_registered(trial_id):
        yield {"use": "official", "system": REGISTRY, "value": trial_id}
    yield {"system": f"{base}/NamingSystem/result", "value": _key(trial_id)}


def _registry(trial_id: str) -> Iterator[Resource]:
    page = registry_page(trial_id)
    if page:
        yield {"type": "documentation", "label": "Registry", "display": "Recruitment status", "url": page}


def _phase(trial: Trial) -> Resource | None:
    if not trial.phase:
        return None
    system = "http://terminology.hl7.org/CodeSystem/research-study-phase"
    return {"coding": [{"system": system, "code": _PHASES[trial.phase]}], "text": f"Phase {trial.phase}"}


def _keywords(criteria: Criteria, base: str) -> list[Resource]:
    return [{"coding": [coding(code, base)], "text": text} for code, text in spoken(criteria)]


def _description(trial: Trial) -> str:
    parts = [trial.question]
    if trial.endpoint:
        parts.append(f"End point: {trial.endpoint}.")
    if trial.results:
        parts.append(f"Result: {trial.results}.")
    return " ".join(parts)


def _notes(trial: Trial) -> Iterator[str]:
    yield f"{wording.status_of(trial)} {wording.CHECK}"
    if trial.status == "unpublished":
        yield _APPROVED_ONLY
    yield wording.NOT_PRINTED
    if trial.closed:
        yield f"Matched to nobody. {trial.closed}"
    if trial.histology_as_printed:
        yield f"Tumour type as printed: {trial.histology_as_printed}. This reading is not used."
    if trial.suspect:
        yield f"Doubt about the source: {trial.suspect}"
    yield f"Named in the review under: {trial.where}."
