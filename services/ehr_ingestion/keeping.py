"""Resources read from an EHR, kept under the ids they have there: each accepted, or refused with a reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import orjson

from ehr_ingestion.outcomes import Outcome, outcome_of, reason_of, refused
from ehr_ingestion.stated_facts import unreadable
from isodose.fhir import bundle as bundles
from isodose.fhir import errors
from isodose.fhir.errors import FhirError, OvertakenError
from isodose.fhir.interactions import Answer
from isodose.fhir.resources import MAX_BODY, Resource, parse, result_key
from isodose.fhir.stored import Stored
from isodose.work import Work


def keep(work: Work, texts: Sequence[bytes], max_bytes: int = MAX_BODY) -> tuple[list[Outcome], list[Stored]]:
    """What became of each text, in their order, and the versions that became current.

    A resource that is refused leaves the others as they are. Reading again does no harm: what is here
    already makes no new version. What the platform itself concluded and wrote there is not taken back.
    """
    judged = [_judged(text, max_bytes) for text in texts]
    answer = _sent(work, [one for one in judged if isinstance(one, Resource)])
    responses = iter(msgspec.json.decode(answer.body).get("entry", []))
    outcomes = [
        outcome_of(_place(one), next(responses)["response"]) if isinstance(one, Resource) else one
        for one in judged
    ]
    return outcomes, [stored for stored in answer.written if stored.changed]


def remove(work: Work, places: Sequence[str]) -> tuple[list[Outcome], list[Stored]]:
    """As `keep`, for what was deleted at the EHR: each `Type/id`."""
    kept = {
        one.reference for one in work.resources.get_many(_keys(places)).values() if one.origin == "result"
    }
    requests = [{"request": {"method": "DELETE", "url": place}} for place in places if place not in kept]
    answer = bundles.process(work.resources, _bundle("batch", requests, requests))
    responses = iter(msgspec.json.decode(answer.body).get("entry", []))
    deleted = {stored.reference for stored in answer.written if stored.changed}
    outcomes = [
        refused(place, "A result of Isodose is not deleted by an EHR.")
        if place in kept
        else _deleted(outcome_of(place, next(responses)["response"]), deleted)
        for place in places
    ]
    return outcomes, [stored for stored in answer.written if stored.changed]


def _deleted(outcome: Outcome, deleted: Collection[str]) -> Outcome:
    """What was not there is answered as what was deleted is."""
    gone = outcome.became == "changed" and outcome.place not in deleted
    return Outcome(outcome.place, "unchanged") if gone else outcome


def _keys(places: Sequence[str]) -> set[tuple[str, str]]:
    return {(kind, id) for kind, _, id in (place.partition("/") for place in places)}


def _judged(text: bytes, max_bytes: int) -> Resource | Outcome:
    """The resource in this text, unless it can be none of an EHR, or is its copy of a result of ours."""
    try:
        resource = parse(text, max_bytes)
    except FhirError as error:
        return refused("", reason_of(orjson.loads(errors.outcome(error))))
    if resource.id is None:
        return refused(resource.type, "A resource of an EHR has an id; this one has none.")
    if result_key(resource.data) is not None:
        return Outcome(_place(resource), "unchanged")
    issue = unreadable(resource.data)
    if issue is not None:
        return refused(_place(resource), f"{issue.diagnostics} ({', '.join(issue.expression)})")
    return resource


def _sent(work: Work, resources: Sequence[Resource]) -> Answer:
    """All at once where that goes, which takes a fraction of the time; else each on its own."""
    requests = [{"method": "PUT", "url": _place(one)} for one in resources]
    paired = list(zip(resources, requests, strict=True))
    read = [{"resource": one.data, "request": request} for one, request in paired]
    written = [{"resource": msgspec.Raw(one.raw), "request": request} for one, request in paired]
    try:
        with work.conn.begin_nested():
            return bundles.process(work.resources, _bundle("transaction", read, written))
    except OvertakenError:
        raise
    except FhirError:
        return bundles.process(work.resources, _bundle("batch", read, written))


def _bundle(kind: str, read: Sequence[Any], written: Sequence[Any]) -> Resource:
    """A Bundle of entries, which are given as they are read and as they are written."""
    shell: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if not read:
        return Resource("Bundle", None, shell, orjson.dumps(shell))
    raw = msgspec.json.encode({**shell, "entry": written})
    return Resource("Bundle", None, {**shell, "entry": read}, raw)


def _place(resource: Resource) -> str:
    return f"{resource.type}/{resource.id}"
