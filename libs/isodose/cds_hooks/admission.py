"""Which resources a decision may read: valid ones, of the patient the call is about, each once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from isodose.cds_hooks.context import Placed
from isodose.cds_hooks.hook import Resource
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.validation import validate


def admitted(drafts: Iterable[Placed], others: Iterable[Placed], patient_id: str) -> tuple[Resource, ...]:
    """The resources, drafts first; of two with one identity the first. Raises `FhirError` 400 naming every
    invalid resource and every resource of another patient by its place in the request.
    """
    issues: list[Issue] = []
    found: dict[object, Resource] = {}
    for placed in drafts:
        issues.extend(_faults(placed, {**placed.resource, "id": "draft"}, patient_id))
        found.setdefault(_identity(placed), placed.resource)
    for placed in others:
        issues.extend(_faults(placed, placed.resource, patient_id))
        found.setdefault(_identity(placed), placed.resource)
    if issues:
        raise FhirError(400, tuple(issues))
    return tuple(found.values())


def _identity(placed: Placed) -> object:
    identity = placed.resource.get("id")
    return (placed.resource["resourceType"], identity) if identity else placed.place


def _faults(placed: Placed, resource: Resource, patient_id: str) -> Sequence[Issue]:
    """`resource` is what is judged: an order not yet stored may carry an id of the EHR's own making."""
    try:
        validate(resource, placed.place)
    except FhirError as error:
        return error.issues
    if _is_of(placed.resource, patient_id):
        return ()
    text = "The resource belongs to another patient than context.patientId; send that patient's alone."
    return (Issue("business-rule", text, (placed.place,)),)


def _is_of(resource: Resource, patient_id: str) -> bool:
    if resource["resourceType"] == "Patient":
        return bool(resource.get("id", patient_id) == patient_id)
    if resource["resourceType"] == "Appointment":
        actors = [participant.get("actor") for participant in resource.get("participant", ())]
        named = [patient for patient in map(_patient, actors) if patient]
        return not named or patient_id in named
    return (_patient(resource.get("subject") or resource.get("patient")) or patient_id) == patient_id


def _patient(reference: Any) -> str:
    """The id in a reference such as `https://ehr/fhir/Patient/1/_history/2`; empty if it names no patient."""
    text = reference.get("reference", "") if isinstance(reference, dict) else ""
    before, found, after = text.rpartition("Patient/")
    return after.split("/")[0] if found and (not before or before.endswith("/")) else ""
