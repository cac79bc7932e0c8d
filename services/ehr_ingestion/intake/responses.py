"""Responses are judged when they are written, and what they state follows in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ehr_ingestion.intake.answers import STANDING, About, as_of, base_of, subjects
from ehr_ingestion.intake.checking import faults
from ehr_ingestion.intake.extraction import extracted, is_extracted, withdrawn
from ehr_ingestion.intake.form import AS_OF, FOCUS, questionnaire
from ehr_ingestion.patient_records import touched
from isodose.fhir.errors import Issue
from isodose.fhir.reading import Origin
from isodose.fhir.resources import Resource, dump
from isodose.fhir.store import Change
from isodose.fhir.stored import Stored
from isodose.service import Work

Json = dict[str, Any]
_KIND = "QuestionnaireResponse"


def respondents(written: Iterable[Stored]) -> set[str]:
    """The patients of whom a response was written, changed or taken away."""
    return touched(stored for stored in written if stored.type == _KIND)


def unfit(work: Work, stored: Stored) -> list[Issue]:
    """Why a response to the intake form does not answer what it asks; nothing of another form's."""
    response = stored.resource()
    base = base_of(response)
    if base is None or response.get("status") not in STANDING:
        return []
    return (
        list(faults(response, questionnaire(base)))
        or list(_whole(response, stored))
        or list(_astray(work, response, stored))
    )


def follow_responses(work: Work, patient_ids: Iterable[str]) -> list[Stored]:
    """Write what the responses of these patients state now, and withdraw what they no longer do."""
    return [stored for patient in sorted(patient_ids) for stored in _follow(work, patient)]


def _follow(work: Work, patient_id: str) -> list[Stored]:
    held = [one for patient in _together(work, patient_id) for one in work.resources.of_patient(patient)]
    known = {(one.type, one.id): one.resource() for one in held}
    stated = extracted(resource for (kind, _), resource in known.items() if kind == _KIND)
    gone = {
        key: withdrawn(resource)
        for key, resource in known.items()
        if key not in stated and key[0] in ("Observation", "BodyStructure") and is_extracted(resource)
    }
    return work.resources.write([_change(r, patient_id) for r in (stated | gone).values()])


def _together(work: Work, patient_id: str) -> set[str]:
    """The patient, and the one into whom they were merged, with whom then lies what is about them."""
    return {patient_id, *work.identities.survivors({patient_id}).values()}


def _change(resource: Json, patient_id: str) -> Change:
    kind = resource["resourceType"]
    told = {name: value for name, value in resource.items() if name != "meta"}
    content = Resource(kind, told["id"], told, dump(told))
    origin: Origin = "result" if kind == "Provenance" else "ehr"
    return Change(kind, told["id"], content, origin=origin, path=kind, patient_id=patient_id)


def _whole(response: Json, stored: Stored) -> Iterator[Issue]:
    """What a response needs beside its answers: whose it is, since when, and no day still to come."""
    if not str(response.get("subject", {}).get("reference", "")) or stored.patient_id is None:
        yield Issue("required", "The response says which Patient it is about.", (f"{_KIND}.subject",))
    if not response.get("authored"):
        yield Issue("required", "The response says when it was authored.", (f"{_KIND}.authored",))
    elif as_of(response) > str(response["authored"])[:10]:
        index = next(n for n, item in enumerate(response["item"]) if item["linkId"] == AS_OF)
        where = f"{_KIND}.item[{index}].answer[0].valueDate"
        yield Issue("value", "The day cannot be after the response was authored.", (where,))


def _astray(work: Work, response: Json, stored: Stored) -> Iterator[Issue]:
    """Groups about something that is not this patient's, or that do not say which of several they mean."""
    groups = [about for about in subjects(response) if about.scope != "patient"]
    keys = {about.path: about.reference.partition("/")[::2] for about in groups if about.reference}
    held, patients = work.resources.get_many(set(keys.values())), _together(work, str(stored.patient_id))
    for about in groups:
        found = held.get(keys[about.path]) if about.path in keys else None
        of_patient = found is not None and not found.deleted and found.patient_id in patients
        if about.reference and not (of_patient and keys[about.path][0] in FOCUS[about.scope][1]):
            said = "The patient's record has no such resource."
            yield Issue("not-found", said, (about.path,))
        elif not about.reference and about.scope != "lesion" and len(_known(work, about, stored)) > 1:
            said = f"The record has more than one {about.scope}; name the one that is meant."
            yield Issue("required", said, (about.path,))


def _known(work: Work, about: About, stored: Stored) -> Sequence[str]:
    record = work.records.get(str(stored.patient_id))
    return [one.ref for one in record.of_scope(about.scope) if one.ref] if record else []
