"""One function per interaction of FHIR REST, each of a store and what the request said.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isodose.fhir import audit_trail, errors
from isodose.fhir import history as past
from isodose.fhir.access import APART
from isodose.fhir.audit_trail import refuse_writing
from isodose.fhir.everything import asked, everything
from isodose.fhir.identity import criteria_of, lock_identities, the_match
from isodose.fhir.patching import Patch, patched
from isodose.fhir.preconditions import refuse_stale
from isodose.fhir.resources import Resource, is_id
from isodose.fhir.search import search
from isodose.fhir.search_parameters import patient_of
from isodose.fhir.search_query import Pairs
from isodose.fhir.store import Change, ResourceStore, new_id
from isodose.fhir.stored import Stored
from isodose.fhir.validation import validate


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a body, and the resource whose version the headers tell.

    `media_type` is that of the body where it is not FHIR, and is then what Accept may ask for.
    `written` are the resources that this changed or found to be so already, `seen` those in the body;
    `patients`
    are others whose data were looked at.
    """

    status: int
    body: bytes = b""
    stored: Stored | None = None
    location: str | None = None
    written: tuple[Stored, ...] = ()
    seen: tuple[Stored, ...] = ()
    patients: tuple[str, ...] = ()
    media_type: str = ""


def read(store: ResourceStore, type: str, id: str) -> Answer:
    store.require("r", type)
    if type == APART:
        return Answer(200, audit_trail.read(store, id))
    stored = store.read(type, id)
    return Answer(200, stored.body, stored)


def vread(store: ResourceStore, type: str, id: str, version: str) -> Answer:
    store.require("r", type)
    _has_history(type)
    stored = store.vread(type, id, version)
    return Answer(200, stored.body, stored, patients=_whose(store, [stored]))


def history(
    store: ResourceStore, pairs: Pairs, type: str | None = None, id: str | None = None, strict: bool = False
) -> Answer:
    """A history Bundle: of one resource, of a type, or of all."""
    store.require("s" if id is None else "r", type)
    _has_history(type)
    body, shown = past.history(store, pairs, type, id, strict)
    return Answer(200, body, seen=tuple(shown), patients=_whose(store, shown))


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
            return Answer(200, stored.body, stored, location(store.base, stored))
    return _written(store, store.create(resource))


def update(
    store: ResourceStore,
    type: str,
    id: str,
    resource: Resource,
    if_match: str | None = None,
    *,
    if_none_match: str | None = None,
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
    change = Change(type, id, resource, if_match=if_match, path=type, if_none_match=if_none_match)
    return _written(store, store.write([change])[0])


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
    refuse_writing(type)
    stored = store.delete(type, id, if_match)
    return Answer(204, b"", stored if stored.version else None, written=(stored,))


def conditional_delete(store: ResourceStore, type: str, query: Pairs, if_match: str | None = None) -> Answer:
    refuse_writing(type)
    found = the_match(store, type, query)
    return Answer(204) if found is None else delete(store, type, found, if_match)


def conditional_patch(
    store: ResourceStore, type: str, query: Pairs, patch: Patch, if_match: str | None = None
) -> Answer:
    """As `patch` of the one resource that fits; 404 when none does, 412 when more do."""
    refuse_writing(type)
    found = the_match(store, type, query)
    if found is None:
        raise errors.not_found(f"No {type} fits the condition.")
    return patch_one(store, type, found, patch, if_match)


def patch_one(store: ResourceStore, type: str, id: str, patch: Patch, if_match: str | None = None) -> Answer:
    """200 with the resource after the patch. Two patches at once do not lose one another."""
    refuse_writing(type)
    store.require("u", type)
    before = store.read(type, id, lock=True)
    refuse_stale(if_match, before.version, type)
    resource = patched(before.body, patch)
    validate(resource.data)
    return _written(store, store.update(type, id, resource, if_match or f'W/"{before.version}"', "PATCH"))


def search_type(store: ResourceStore, type: str, pairs: Iterable[tuple[str, str]], strict: bool) -> Answer:
    store.require("s", type)
    if type == APART:
        return Answer(200, audit_trail.search(store, pairs, strict))
    body, seen = search(store, type, pairs, strict)
    return Answer(200, body, seen=tuple(seen))


def everything_of(store: ResourceStore, id: str, query: Mapping[str, str]) -> Answer:
    """`$everything` of one patient: parameters `start`, `end`, `_since`, `_type` and `_count`."""
    store.require("r", "Patient")
    body, seen = everything(store, id, asked(query))
    return Answer(200, body, seen=tuple(seen))


def location(base: str, stored: Stored) -> str:
    return f"{base}/{stored.reference}/_history/{stored.version}"


def _written(store: ResourceStore, stored: Stored) -> Answer:
    where = location(store.base, stored)
    return Answer(201 if stored.created else 200, stored.body, stored, where, (stored,))


def _whose(store: ResourceStore, versions: Iterable[Stored]) -> tuple[str, ...]:
    """The patients of past versions, which are kept without."""
    found = (patient_of(one.type, one.resource(), store.base) for one in versions if not one.deleted)
    return tuple(dict.fromkeys(patient for patient in found if patient))


def _has_history(type: str | None) -> None:
    if type == APART:
        raise errors.not_found("AuditEvents never change, so they have no history.", code="not-supported")


def _right_type(type: str, resource: Resource) -> None:
    refuse_writing(type)
    if resource.type != type:
        raise errors.bad_request(
            f"The URL is that of {type}; send the resource to the URL of its own type.",
            "Resource.resourceType",
        )
