"""Reads a search: what is wanted, how it is sorted and paged, and what comes along.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from isodose.fhir.criteria import REFERENCES, SPECIAL, Criterion, criterion, unknown
from isodose.fhir.dates import bounds
from isodose.fhir.definitions import resource_types
from isodose.fhir.errors import FhirError, bad_request
from isodose.fhir.search_parameters import Parameter, parameters

Pairs = list[tuple[str, str]]
DEFAULT_COUNT = 100
MAX_COUNT = 1_000
# What shapes the answer and not the search; read where the answer is written.
SHAPING = frozenset({"_format", "_pretty", "_elements", "_summary"})


@dataclass(frozen=True)
class Include:
    """Resources that come along: those that `parameter` of `source` points to, or that point back by it.

    `name` * is every reference of the source; `target` limits the types that are pointed to.
    """

    source: str
    name: str
    target: str | None = None
    iterate: bool = False


@dataclass
class Query:
    """What is searched, how it is sorted and paged, and the parameters that were understood."""

    type: str
    criteria: list[Criterion] = field(default_factory=list)
    sort: list[tuple[Parameter, bool]] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    cursor: str = ""
    only_count: bool = False
    total: bool = True
    include: list[Include] = field(default_factory=list)
    revinclude: list[Include] = field(default_factory=list)
    used: Pairs = field(default_factory=list)


def parse(resource_type: str, pairs: Iterable[tuple[str, str]], strict: bool = False) -> Query:
    """The query. What is not understood is left out, or refused with 400 when `strict`; bad values always."""
    query = Query(resource_type)
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise bad_request("A search holds no NUL character.", code="value")
        if not _read(query, name, value):
            if strict:
                raise unknown(resource_type, name)
            continue
        query.used.append((name, value))
    query.only_count = query.only_count or query.count == 0
    return query


def _read(query: Query, name: str, value: str) -> bool:
    """Whether this parameter was understood; what it says is then in the query."""
    match name:
        case "_count":
            query.count = min(whole(name, value), MAX_COUNT)
        case "_cursor":
            query.cursor = value
        case "_sort":
            query.sort += [_sorted(part, query.type) for part in value.split(",")]
        case "_include" | "_include:iterate" | "_include:recurse":
            query.include.append(_include(query.type, name, value))
        case "_revinclude" | "_revinclude:iterate" | "_revinclude:recurse":
            query.revinclude.append(_revinclude(name, value))
        case "_total":
            query.total = _one_of(name, value, ("accurate", "estimate", "none")) != "none"
        case _ if name in SHAPING:
            query.only_count = query.only_count or (name, value) == ("_summary", "count")
        case _:
            found = criterion(query.type, name, value)
            if found is None:
                return False
            query.criteria.append(found)
    return True


def whole(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad_request(f"{name} must be a whole number.", code="value")
    return int(value)


def span(name: str, value: str) -> tuple[datetime, datetime]:
    """First and last moment of a date; a + of its time zone may have come as a space. Raises 400."""
    try:
        return bounds(value.replace(" ", "+"))
    except ValueError:
        raise bad_request(f"{name} must be a FHIR date or instant.", code="value") from None


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise bad_request(f"{name} must be one of {', '.join(allowed)}.", code="value")
    return value


def _sorted(part: str, resource_type: str) -> tuple[Parameter, bool]:
    known = parameters(resource_type) | SPECIAL
    parameter = known.get(part.removeprefix("-"))
    if parameter is None or parameter.kind == "composite":
        raise bad_request(f"{resource_type} cannot be sorted by this parameter.", code="not-supported")
    return parameter, part.startswith("-")


def _include(resource_type: str, name: str, value: str) -> Include:
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    iterate = ":" in name
    if source == "*":
        source, parameter = resource_type, "*"
    if not iterate and source != resource_type:
        raise _not_included(name, f"{resource_type}:parameter")
    if source not in resource_types() or not (parameter == "*" or _points(source, parameter)):
        raise _not_included(name, f"{resource_type}:parameter")
    return Include(source, parameter, target or None, iterate)


def _revinclude(name: str, value: str) -> Include:
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    if source not in resource_types() or not _points(source, parameter):
        raise _not_included(name, "Type:parameter")
    return Include(source, parameter, target or None, ":" in name)


def _points(source: str, name: str) -> bool:
    found = parameters(source).get(name)
    return found is not None and found.kind in REFERENCES


def _not_included(name: str, form: str) -> FhirError:
    return bad_request(f"{name} must be {form} of a reference.", code="not-supported")
