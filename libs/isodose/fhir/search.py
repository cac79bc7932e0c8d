"""Answers a search: one page of a Bundle, its links, and what was asked to come with it.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
import orjson
from sqlalchemy import select

from isodose.fhir import search_sql
from isodose.fhir.errors import bad_request
from isodose.fhir.references import target
from isodose.fhir.search_parameters import parameters
from isodose.fhir.search_query import Pairs, Query, parse
from isodose.fhir.store import ResourceStore
from isodose.fhir.stored import Stored, as_stored
from isodose.storage.tables import search_index

_encode = msgspec.json.Encoder().encode


def search(
    store: ResourceStore, resource_type: str, pairs: Iterable[tuple[str, str]], strict: bool = False
) -> bytes:
    """A searchset Bundle. Unknown parameters are left out of the self link, or refused when `strict`."""
    query = parse(resource_type, pairs, strict)
    total = store.conn.execute(search_sql.total(query, store.base)).scalar_one()
    found: list[Stored] = []
    if not query.only_count:
        found = [as_stored(row) for row in store.conn.execute(search_sql.page(query, store.base))]
    included = _included(store, query, found)
    return searchset(store.base, found, included, total, _links(store.base, query, total))


def matching_ids(store: ResourceStore, resource_type: str, pairs: Pairs, limit: int = 2) -> list[str]:
    """The ids that fit, for conditional interactions: every parameter must be understood."""
    query = parse(resource_type, pairs, strict=True)
    if not query.criteria:
        raise bad_request("A conditional interaction needs at least one search parameter.")
    return list(store.conn.execute(search_sql.ids(query, store.base, limit)).scalars())


def searchset(
    base: str, found: Sequence[Stored], included: Sequence[Stored], total: int, links: list[dict[str, str]]
) -> bytes:
    """The Bundle, around the stored texts as they are."""
    entries = [_entry(base, one, "match") for one in found] + [
        _entry(base, one, "include") for one in included
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
    if entries:
        bundle["entry"] = entries
    return _encode(bundle)


def _entry(base: str, stored: Stored, mode: str) -> dict[str, Any]:
    return {
        "fullUrl": f"{base}/{stored.reference}",
        "resource": msgspec.Raw(stored.body),
        "search": {"mode": mode},
    }


def _links(base: str, query: Query, total: int) -> list[dict[str, str]]:
    def url(offset: int) -> str:
        pairs = [(name, value) for name, value in query.used if name != "_offset"]
        pairs += [("_offset", str(offset))] if offset else []
        return f"{base}/{query.type}" + (f"?{urlencode(pairs)}" if pairs else "")

    links = [{"relation": "self", "url": url(query.offset)}]
    if not query.only_count:
        if query.offset + query.count < total:
            links.append({"relation": "next", "url": url(query.offset + query.count)})
        if query.offset:
            links.append({"relation": "previous", "url": url(max(0, query.offset - query.count))})
            links.append({"relation": "first", "url": url(0)})
    return links


def _included(store: ResourceStore, query: Query, found: Sequence[Stored]) -> list[Stored]:
    """What `_include` and `_revinclude` ask for, once each, without what was matched anyway."""
    wanted: set[tuple[str, str]] = set()
    for asked in query.include:
        wanted |= _pointed_to(store, _include(asked, query.type), found)
    for asked in query.revinclude:
        wanted |= _pointing(store, asked, found)
    wanted -= {(one.type, one.id) for one in found}
    return [one for _, one in sorted(store.get_many(wanted).items()) if not one.deleted]


def _include(asked: str, resource_type: str) -> tuple[str, str | None]:
    source, _, rest = asked.partition(":")
    name, _, kind = rest.partition(":")
    if source != resource_type or name not in parameters(source):
        raise bad_request(f"_include must be {resource_type}:parameter of a reference.", code="not-supported")
    return name, kind or None


def _pointed_to(
    store: ResourceStore, asked: tuple[str, str | None], found: Sequence[Stored]
) -> set[tuple[str, str]]:
    name, kind = asked
    wanted: set[tuple[str, str]] = set()
    for one in found:
        parameter = parameters(one.type)[name]
        for value in parameter.values(orjson.loads(one.body)):
            pointed = target(value.get("reference", ""), store.base) if isinstance(value, dict) else None
            if pointed and kind in (None, pointed[0]):
                wanted.add(pointed)
    return wanted


def _pointing(store: ResourceStore, asked: str, found: Sequence[Stored]) -> set[tuple[str, str]]:
    source, _, name = asked.partition(":")
    parameter = parameters(source).get(name.partition(":")[0])
    if parameter is None or parameter.kind not in ("reference", "patient"):
        raise bad_request("_revinclude must be Type:parameter of a reference.", code="not-supported")
    ids = [one.id for one in found]
    if parameter.kind == "patient":
        patients = {one.id for one in found if one.type == "Patient"}
        return {(one.type, one.id) for id in patients for one in store.of_patient(id) if one.type == source}
    index = search_index.c
    fitting = (index.type == source) & (index.param == parameter.name) & index.value.in_(ids)
    statement = select(index.id).where(fitting, index.system == (found[0].type if found else None))
    return {(source, id) for id in store.conn.execute(statement).scalars()}
