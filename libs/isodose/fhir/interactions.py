"""One function per interaction of FHIR REST, each of a store and what the request said.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
import orjson

from isodose.fhir import errors
from isodose.fhir.identity import criteria_of, lock_identities, the_match
from isodose.fhir.resources import Resource, instant, is_id
from isodose.fhir.search import search
from isodose.fhir.search_query import Pairs
from isodose.fhir.store import ResourceStore, new_id
from isodose.fhir.stored import Stored
from isodose.fhir.validation import issues, validate

Return = Literal["representation", "minimal", "OperationOutcome"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a body, and the resource whose version the headers tell."""

    status: int
    body: bytes = b""
    stored: Stored | None = None
    location: str | None = None
    written: tuple[Stored, ...] = ()


def read(store: ResourceStore, type: str, id: str) -> Answer:
    stored = store.read(type, id)
    return Answer(200, stored.body, stored)


def vread(store: ResourceStore, type: str, id: str, version: str) -> Answer:
    stored = store.vread(type, id, version)
    return Answer(200, stored.body, stored)


def history(
    store: ResourceStore, type: str, id: str, since: datetime | None = None, limit: int = 500
) -> Answer:
    entries = [_past(store.base, stored) for stored in store.history(type, id, since, limit)]
    bundle = {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}
    return Answer(200, msgspec.json.encode(bundle if entries else {**bundle, "entry": msgspec.UNSET}))


def create(store: ResourceStore, type: str, resource: Resource, if_none_exist: str | None = None) -> Answer:
    """201 with the new resource; with a condition, 200 and no write when one resource fits it already."""
    _right_type(type, resource)
    validate(resource.data)
    if if_none_exist is not None:
        pairs = criteria_of(if_none_exist)
        lock_identities(store, [(type, pairs)])
        found = the_match(store, type, pairs)
        if found is not None:
            stored = store.read(type, found)
            return Answer(200, stored.body, stored)
    return _written(store, store.create(resource))


def update(
    store: ResourceStore, type: str, id: str, resource: Resource, if_match: str | None = None
) -> Answer:
    """200 with the resource as it is now, 201 when it was not there."""
    _right_type(type, resource)
    if not is_id(id):
        raise errors.bad_request(
            "The id of the URL must be 1 to 64 letters, digits, '-' or '.'.", f"{type}.id"
        )
    if resource.id != id:
        raise errors.bad_request("The resource must have the id of the URL.", f"{type}.id")
    validate(resource.data)
    return _written(store, store.update(type, id, resource, if_match))


def conditional_update(
    store: ResourceStore, type: str, query: Pairs, resource: Resource, if_match: str | None = None
) -> Answer:
    _right_type(type, resource)
    validate(resource.data)
    lock_identities(store, [(type, query)])
    found = the_match(store, type, query)
    if found is not None and resource.id not in (None, found):
        raise errors.bad_request(
            "The resource has another id than the one that fits the condition.", f"{type}.id"
        )
    id = found or resource.id or new_id()
    return _written(store, store.update(type, id, resource, if_match))


def delete(store: ResourceStore, type: str, id: str, if_match: str | None = None) -> Answer:
    """204, also when it is gone already or never was."""
    stored = store.delete(type, id, if_match)
    return Answer(204, b"", stored if stored.version else None, written=(stored,))


def conditional_delete(store: ResourceStore, type: str, query: Pairs) -> Answer:
    found = the_match(store, type, query)
    return Answer(204) if found is None else delete(store, type, found)


def search_type(store: ResourceStore, type: str, pairs: Iterable[tuple[str, str]], strict: bool) -> Answer:
    return Answer(200, search(store, type, pairs, strict))


def validate_only(resource: Resource) -> Answer:
    """`$validate`: an OperationOutcome, whatever it says; warnings included. Nothing is stored."""
    return Answer(200, errors.outcome_of(list(issues(validated_part(resource).data))))


def validated_part(resource: Resource) -> Resource:
    """The resource itself, or the one that Parameters carry under the name `resource`."""
    if resource.type != "Parameters":
        return resource
    for parameter in resource.data.get("parameter", []):
        if isinstance(parameter, dict) and parameter.get("name") == "resource" and parameter.get("resource"):
            inner: dict[str, Any] = parameter["resource"]
            return Resource(str(inner.get("resourceType")), inner.get("id"), inner, orjson.dumps(inner))
    return resource


def location(base: str, stored: Stored) -> str:
    return f"{base}/{stored.reference}/_history/{stored.version}"


def _written(store: ResourceStore, stored: Stored) -> Answer:
    where = location(store.base, stored)
    return Answer(201 if stored.created else 200, stored.body, stored, where, (stored,))


def _right_type(type: str, resource: Resource) -> None:
    if resource.type != type:
        raise errors.bad_request(
            f"The URL takes a {type}; send it to the URL of its type.", "Resource.resourceType"
        )


def _past(base: str, stored: Stored) -> dict[str, Any]:
    first = stored.version == 1
    entry: dict[str, Any] = {"fullUrl": f"{base}/{stored.reference}"}
    if not stored.deleted:
        entry["resource"] = msgspec.Raw(stored.body)
    url = stored.type if stored.method == "POST" else stored.reference
    entry["request"] = {"method": stored.method, "url": url}
    entry["response"] = {
        "status": "201" if first else "204" if stored.deleted else "200",
        "etag": f'W/"{stored.version}"',
        "lastModified": instant(stored.last_updated),
    }
    return entry
