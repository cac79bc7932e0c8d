"""The entries of a transaction or batch that read: whatever a GET of the same url would answer.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

from isodose.fhir import dates, errors, interactions, shaping
from isodose.fhir.bundle_entries import Step
from isodose.fhir.definitions import resource_types
from isodose.fhir.errors import FhirError
from isodose.fhir.interactions import Answer
from isodose.fhir.search_query import Pairs
from isodose.fhir.store import ResourceStore


def read_entry(store: ResourceStore, step: Step) -> Answer:
    """The answer to a GET or HEAD, 304 where the entry knows it. Raises FhirError that names the entry."""
    pairs = parse_qsl(step.query, keep_blank_values=True)
    where = f"{step.path}.request.url"
    try:
        answer = _answer(store, step, pairs, where)
        shape = shaping.asked(dict(pairs)) if pairs else None
    except FhirError as error:
        told = [errors.Issue(one.code, one.diagnostics, (where,), one.severity) for one in error.issues]
        raise FhirError(error.status, told) from None
    if _is_known(step, answer):
        return Answer(304, stored=answer.stored)
    if step.request.method == "HEAD":
        return replace(answer, body=b"")
    return answer if shape is None else replace(answer, body=shaping.shaped(answer.body, shape))


def _answer(store: ResourceStore, step: Step, pairs: Pairs, where: str) -> Answer:
    kind, id, *rest = [step.type, *(step.id or "").split("/")]
    if (kind, id) == ("_history", ""):
        return interactions.history(store, pairs)
    if kind not in resource_types():
        raise errors.not_found("R4 has no resource type of this name.", where, code="not-supported")
    if not id:
        return interactions.search_type(store, kind, pairs, strict=False)
    if id == "_history" and not rest:
        return interactions.history(store, pairs, kind)
    return _of_one(store, step, id, rest, pairs)


def _of_one(store: ResourceStore, step: Step, id: str, rest: list[str], pairs: Pairs) -> Answer:
    kind = step.type
    match rest:
        case []:
            return interactions.read(store, kind, id)
        case ["_history"]:
            return interactions.history(store, pairs, kind, id)
        case ["_history", version]:
            return interactions.vread(store, kind, id, version)
        case ["$everything"] if kind == "Patient":
            return interactions.everything_of(store, id, dict(pairs))
    said = "An entry reads, searches or asks for a history or $everything; ask for the rest by itself."
    raise errors.bad_request(said, f"{step.path}.request.url", code="not-supported")


def _is_known(step: Step, answer: Answer) -> bool:
    """Whether the entry names the version that there is, or a time since when nothing changed."""
    stored = answer.stored
    if stored is None:
        return False
    if step.request.if_none_match is not None:
        return f'"{stored.version}"' in step.request.if_none_match
    since = step.request.if_modified_since
    if since is None:
        return False
    try:
        return stored.last_updated <= dates.bounds(since)[1]
    except ValueError:
        return False
