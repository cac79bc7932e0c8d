"""Resources read from an EHR, kept under the ids they have there: each accepted, or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from ehr_ingestion.outcomes import Outcome, outcome_of, reason_of, refused
from ehr_ingestion.stated_facts import unreadable
from isodose.fhir import bundle as bundles
from isodose.fhir import errors
from isodose.fhir.errors import FhirError
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


def _judged(text: bytes, max_bytes: int) -> Resource | Outcome:
    """The resource in this text, unless it can be no resource of an EHR."""
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
    try:
        with work.conn.begin_nested():
            return bundles.process(work.resources, _bundle("transaction", resources))
    except FhirError:
        return bundles.process(work.resources, _bundle("batch", resources))


def _bundle(kind: str, resources: Sequence[Resource]) -> Resource:
    requests = [{"method": "PUT", "url": _place(one)} for one in resources]
    shell: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if not resources:
        return Resource("Bundle", None, shell, orjson.dumps(shell))
    read = [{"resource": one.data, "request": r} for one, r in zip(resources, requests, strict=True)]
    raw = [
        {"resource": msgspec.Raw(one.raw), "request": r} for one, r in zip(resources, requests, strict=True)
    ]
    return Resource("Bundle", None, {**shell, "entry": read}, msgspec.json.encode({**shell, "entry": raw}))


def _place(resource: Resource) -> str:
    return f"{resource.type}/{resource.id}"
