"""Answers a search: one page of a Bundle with its links, and what was asked to come with it.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from isodose.fhir import search_sql
from isodose.fhir.errors import bad_request
from isodose.fhir.including import included
from isodose.fhir.reading import Reading
from isodose.fhir.search_query import Pairs, Query, parse
from isodose.fhir.stored import Stored, as_stored

_encode = msgspec.json.Encoder().encode


def search(
    store: Reading, resource_type: str, pairs: Iterable[tuple[str, str]], strict: bool = False
) -> tuple[bytes, list[Stored]]:
    """A searchset Bundle and what is in it. Unknown parameters are left out of the self link, or refused when
    `strict`.
    """
    query = parse(resource_type, pairs, strict)
    if query.only_count:
        counted = store.conn.execute(search_sql.total(store, query)).scalar_one()
        return searchset(store.base, (), (), counted, _links(store.base, query, "")), []
    rows = store.conn.execute(search_sql.page(store, query)).all()
    more = len(rows) > query.count
    rows = rows[: query.count]
    found = [as_stored(row) for row in rows]
    total = None
    if query.total:
        whole = not more and not query.cursor
        total = len(rows) if whole else store.conn.execute(search_sql.total(store, query)).scalar_one()
    following = search_sql.position(query, rows[-1]) if more else ""
    beside = included(store, query, found)
    links = _links(store.base, query, following)
    return searchset(store.base, found, beside, total, links), [*found, *beside]


def matching_ids(store: Reading, resource_type: str, pairs: Pairs, limit: int = 2) -> list[str]:
    """The ids that fit, for conditional interactions: every parameter must be understood."""
    query = parse(resource_type, pairs, strict=True)
    if not query.criteria:
        raise bad_request("A conditional interaction needs at least one search parameter.")
    return list(store.conn.execute(search_sql.ids(store, query, limit)).scalars())


def searchset(
    base: str,
    found: Sequence[Stored],
    beside: Sequence[Stored],
    total: int | None,
    links: list[dict[str, str]],
) -> bytes:
    """The Bundle, around the stored texts as they are."""
    entries = [_entry(base, one, "match") for one in found] + [_entry(base, one, "include") for one in beside]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = links
    if entries:
        bundle["entry"] = entries
    return _encode(bundle)


def _entry(base: str, stored: Stored, mode: str) -> dict[str, Any]:
    return {
        "fullUrl": f"{base}/{stored.reference}",
        "resource": msgspec.Raw(stored.body),
        "search": {"mode": mode},
    }


def _links(base: str, query: Query, following: str) -> list[dict[str, str]]:
    def url(cursor: str) -> str:
        pairs = [(name, value) for name, value in query.used if name != "_cursor"]
        pairs += [("_cursor", cursor)] if cursor else []
        return f"{base}/{query.type}" + (f"?{urlencode(pairs)}" if pairs else "")

    links = [{"relation": "self", "url": url(query.cursor)}]
    if query.cursor:
        links.append({"relation": "first", "url": url("")})
    if following:
        links.append({"relation": "next", "url": url(following)})
    return links
