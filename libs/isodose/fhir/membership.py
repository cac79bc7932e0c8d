"""`code:in=ValueSet`: the codes of a value set that is stored here.

https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, false, or_, select, tuple_

from isodose.fhir.errors import FhirError, bad_request
from isodose.fhir.reading import Reading
from isodose.fhir.references import target
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index

MOST_CODES = 5_000


def is_member(store: Reading, value: str) -> ColumnElement[bool]:
    """The rows of `search_index` whose token is in this value set, named by its url or as ValueSet/id.

    Raises 400 for one that is not stored here, or that says its codes by rule and not one by one.
    """
    codes: list[tuple[str, str]] = []
    systems: list[str] = []
    for system, code in _members(stored_at(store, "ValueSet", value)):
        if code is None:
            systems.append(system)
        else:
            codes.append((system, code))
    if len(codes) > MOST_CODES:
        raise bad_request(f"A value set of more than {MOST_CODES} codes is not searched.", code="too-costly")
    pair = tuple_(search_index.c.system, search_index.c.value)
    fitting: list[ColumnElement[bool]] = [pair.in_(codes)] if codes else []
    if systems:
        fitting.append(and_(search_index.c.system.in_(systems), search_index.c.value.is_not(None)))
    return or_(*fitting) if fitting else false()


def stored_at(store: Reading, kind: str, value: str) -> dict[str, Any]:
    """The definition of this type that is stored here, named by its url or as Type/id. Raises 400."""
    url, _, version = value.partition("|")
    named = select(search_index.c.id).where(
        search_index.c.type == kind, search_index.c.param == "url", search_index.c.value == url
    )
    found = target(value, store.base)
    which = current.c.id == found[1] if found and found[0] == kind else current.c.id.in_(named)
    statement = select(current.c.body).where(current.c.type == kind, current.c.deleted.is_(False), which)
    for body in store.conn.execute(statement.order_by(current.c.id)).scalars():
        held: dict[str, Any] = orjson.loads(body)
        if not version or held.get("version") == version:
            return held
    raise bad_request(f"No {kind} of this address is stored here.", code="not-found")


def _members(value_set: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """(system, code) of each member; the code None stands for every code of the system."""
    if "expansion" in value_set:
        yield from _expanded(value_set["expansion"].get("contains", []))
        return
    compose = value_set.get("compose", {})
    if "exclude" in compose:
        raise _by_rule()
    for include in compose.get("include", []):
        if "filter" in include or "valueSet" in include or "system" not in include:
            raise _by_rule()
        concepts = include.get("concept")
        yield from (
            ((include["system"], one["code"]) for one in concepts)
            if concepts
            else [(include["system"], None)]
        )


def _expanded(contains: list[dict[str, Any]]) -> Iterator[tuple[str, str | None]]:
    for one in contains:
        if "code" in one and "system" in one:
            yield one["system"], one["code"]
        yield from _expanded(one.get("contains", []))


def _by_rule() -> FhirError:
    return bad_request(
        "This ValueSet states its codes by rule; store it with its expansion.", code="too-costly"
    )
