"""Transactions, all or nothing, and batches, each entry on its own.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from typing import Any

import msgspec

from isodose.fhir import errors, interactions
from isodose.fhir.bundle_entries import (
    READS,
    Step,
    entries_of,
    entry_of,
    raw_entries,
    step_of,
    validate_entry,
    validate_shell,
)
from isodose.fhir.bundle_reads import read_entry
from isodose.fhir.errors import FhirError
from isodose.fhir.identity import criteria_of, lock_identities, the_match
from isodose.fhir.interactions import Answer
from isodose.fhir.patching import patch_in, patched
from isodose.fhir.preconditions import refuse_stale
from isodose.fhir.resources import Resource, instant, resource_of
from isodose.fhir.rewriting import Rewriter
from isodose.fhir.store import Change, ResourceStore, new_id
from isodose.fhir.stored import Stored
from isodose.fhir.validation import validate

_NOTHING_NEW = errors.Issue(
    "informational", "The current version stays: this content is the same, or older.", severity="information"
)


def process(store: ResourceStore, bundle: Resource, representation: bool = False) -> Answer:
    """The answer to a Bundle posted to the base."""
    kind = bundle.data.get("type")
    if kind == "transaction":
        validate(bundle.data)
        steps = [step_of(i, entry, bundle.data) for i, entry in enumerate(entries_of(bundle))]
        answers = transact(store, steps)
    elif kind == "batch":
        validate_shell(bundle)
        answers = [_alone(store, i, entry, bundle.data) for i, entry in enumerate(raw_entries(bundle))]
    else:
        raise _not_processed(bundle)
    written = tuple(stored for answer in answers for stored in answer.written)
    seen = tuple(one for answer in answers for one in (*answer.seen, *filter(None, [answer.stored])))
    patients = tuple(dict.fromkeys(one for answer in answers for one in answer.patients))
    body = _response(f"{kind}-response", answers, representation)
    return Answer(200, body, written=written, seen=seen, patients=patients)


def _not_processed(bundle: Resource) -> FhirError:
    """Why a Bundle of this type asks for nothing, and what to send instead. Raises 422 where it is none."""
    validate_shell(bundle)
    kept = "to keep it as it is, POST it to /Bundle"
    instead = {
        "history": "a history is not replayed: send what is to be current as a transaction of PUT and DELETE",
        "message": f"messages are not processed: send what it brings as a transaction; {kept}",
        "document": f"{kept}; to take in what it holds, send that as a transaction",
        "transaction-response": "this is an answer",
        "batch-response": "this is an answer",
    }
    kind = str(bundle.data["type"])
    advice = instead.get(kind, f"give each entry a request, and the type transaction or batch; {kept}")
    said = f"Only Bundles of type transaction or batch are processed, and this is a {kind}; {advice}."
    return errors.bad_request(said, "Bundle.type", code="not-supported")


def transact(store: ResourceStore, steps: list[Step]) -> list[Answer]:
    """All steps, or FhirError: conditions first, then every write at once, then the reads."""
    _resolve_conditions(store, steps)
    _refuse_overlap(steps)
    rewriter = Rewriter(store, {url: f"{s.type}/{s.id}" for s in steps for url in _known_as(s)})
    writes = [step for step in steps if step.request.method not in READS and not _is_there(step) and step.id]
    stored = iter(store.write([_change(store, step, rewriter) for step in writes]))
    done = {step.index: _written(store, step, one) for step, one in zip(writes, stored, strict=True)}
    return [done.get(step.index) or _rest(store, step) for step in steps]


def _alone(store: ResourceStore, index: int, raw: msgspec.Raw, bundle: dict[str, Any]) -> Answer:
    """One entry of a batch: its failure is its own."""
    try:
        validate_entry(index, bundle["entry"][index])
        with store.conn.begin_nested():
            step = step_of(index, entry_of(raw), bundle)
            if step.data is not None:
                validate(step.data, f"{step.path}.resource")
            return transact(store, [step])[0]
    except FhirError as error:
        return Answer(error.status, errors.outcome(error))


def _resolve_conditions(store: ResourceStore, steps: list[Step]) -> None:
    """Give every write its id: from its url, from the resource that fits its condition, or a new one."""
    conditional = [
        (step, criteria_of(step.condition, step.path)) for step in steps if step.condition is not None
    ]
    lock_identities(store, [(step.type, pairs) for step, pairs in conditional])
    for step, pairs in conditional:
        step.existing = the_match(store, step.type, pairs, f"{step.path}.request")
        step.id = step.existing
        if step.id is None and step.request.method == "PATCH":
            raise errors.not_found("No resource fits the condition.", f"{step.path}.request.url")
    for step in steps:
        if step.id is None and step.request.method in ("POST", "PUT"):
            own = step.data.get("id") if step.data and step.request.method == "PUT" else None
            step.id = own or new_id()


def _refuse_overlap(steps: list[Step]) -> None:
    seen: set[tuple[str, str]] = set()
    for step in steps:
        if step.request.method in READS or step.id is None:
            continue
        key = (step.type, step.id)
        if key in seen:
            raise errors.bad_request(
                "Two entries write the same resource; send one of them.", step.path, code="duplicate"
            )
        seen.add(key)


def _known_as(step: Step) -> list[str]:
    """What other entries may call the resource of this one: its fullUrl, or Type/id as that URL ends."""
    url = step.entry.full_url
    if url is None or step.id is None or step.request.method not in ("POST", "PUT"):
        return []
    names = [url]
    tail = "/".join(url.split("/")[-2:])
    if step.request.method == "POST" and url.startswith("http") and tail.startswith(f"{step.type}/"):
        names.append(tail)
    return names


def _is_there(step: Step) -> bool:
    """A conditional create that found what it would have made."""
    return step.request.method == "POST" and step.existing is not None


def _change(store: ResourceStore, step: Step, rewriter: Rewriter) -> Change:
    assert step.id is not None
    path = f"{step.path}.resource"
    content = None
    if step.request.method == "PATCH":
        before = store.read(step.type, step.id, lock=True)
        refuse_stale(step.request.if_match, before.version, path)
        content = patched(before.body, patch_in(step.data or {}, bytes(step.entry.resource), step.path))
        validate(content.data, path)
    elif step.request.method != "DELETE":
        assert step.data is not None
        content = rewriter.rewritten(resource_of(step.data, bytes(step.entry.resource)), path)
    asked = step.request
    return Change(
        step.type,
        step.id,
        content,
        asked.method,
        asked.if_match,
        path=path,
        if_none_match=asked.if_none_match if asked.method == "PUT" else None,
    )


def _written(store: ResourceStore, step: Step, stored: Stored) -> Answer:
    if step.request.method == "DELETE":
        return Answer(204, b"", stored if stored.version else None, written=(stored,))
    where = interactions.location(store.base, stored)
    return Answer(201 if stored.created else 200, stored.body, stored, where, (stored,))


def _rest(store: ResourceStore, step: Step) -> Answer:
    """Entries that write nothing: reads, searches, and writes that found nothing to do."""
    if step.request.method == "DELETE":
        return Answer(204)
    if step.request.method == "POST":
        stored = store.read(step.type, str(step.existing))
        return Answer(200, stored.body, stored, interactions.location(store.base, stored))
    return read_entry(store, step)


def _response(kind: str, answers: list[Answer], representation: bool) -> bytes:
    entries = [_response_entry(answer, representation) for answer in answers]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    return msgspec.json.encode({**bundle, "entry": entries} if entries else bundle)


def _response_entry(answer: Answer, representation: bool) -> dict[str, Any]:
    failed = answer.status >= 400
    response: dict[str, Any] = {"status": str(answer.status)}
    if answer.location is not None:
        response["location"] = answer.location
    if answer.stored is not None:
        response["etag"] = f'W/"{answer.stored.version}"'
        response["lastModified"] = instant(answer.stored.last_updated)
    if failed:
        response["outcome"] = msgspec.Raw(answer.body)
    elif answer.body and answer.written and not any(stored.changed for stored in answer.written):
        response["outcome"] = msgspec.Raw(errors.outcome_of([_NOTHING_NEW]))
    read_only = not answer.written and answer.location is None
    if answer.body and not failed and (representation or read_only):
        return {"resource": msgspec.Raw(answer.body), "response": response}
    return {"response": response}
