"""`code:below=system|code`: the more general or more special codes of a CodeSystem that is stored here.

https://hl7.org/fhir/R4/search.html#token · https://hl7.org/fhir/R4/codesystem.html#hierarchy
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_

from isodose.fhir.criteria import token_parts
from isodose.fhir.errors import bad_request
from isodose.fhir.membership import MOST_CODES, stored_at
from isodose.fhir.reading import Reading
from isodose.storage.tables import search_index

Concepts = list[dict[str, Any]]


def is_related(store: Reading, value: str, direction: str) -> ColumnElement[bool]:
    """The rows of `search_index` whose code is this one, or is above or below it.

    Raises 400 where the CodeSystem is not stored here, has no such code, or is no hierarchy of meanings.
    """
    system, code = token_parts(value)
    if not system or code is None:
        raise bad_request(f"A value of :{direction} is system|code.", code="value")
    held = stored_at(store, "CodeSystem", system)
    if held.get("hierarchyMeaning", "is-a") != "is-a":
        raise bad_request(
            "The hierarchy of this CodeSystem is not one of meanings (is-a).", code="not-supported"
        )
    codes = _related(held.get("concept", []), code, direction)
    if len(codes) > MOST_CODES:
        raise bad_request(f"More than {MOST_CODES} codes are not searched.", code="too-costly")
    return and_(search_index.c.system == system, search_index.c.value.in_(sorted(codes)))


def _related(concepts: Concepts, code: str, direction: str) -> set[str]:
    neighbours: dict[str, set[str]] = {}
    known = set()
    for one, parents in _concepts(concepts, ()):
        known.add(one)
        for parent in parents:
            low, high = (parent, one) if direction == "below" else (one, parent)
            neighbours.setdefault(low, set()).add(high)
    if code not in known:
        raise bad_request("The CodeSystem that is stored here has no such code.", code="not-found")
    found, waiting = {code}, [code]
    while waiting:
        new = neighbours.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _concepts(concepts: Concepts, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Each code with its parents: the concept around it, and those that its property `parent` names."""
    for concept in concepts:
        named = [one.get("valueCode") for one in concept.get("property", ()) if one.get("code") == "parent"]
        yield concept["code"], [*above, *(parent for parent in named if parent)]
        yield from _concepts(concept.get("concept", []), (concept["code"],))
