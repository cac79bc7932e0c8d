"""A search as SQL over the search index, the same on both dialects.

https://hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, not_, or_, select

from isodose.fhir import dates
from isodose.fhir.errors import bad_request
from isodose.fhir.references import target
from isodose.fhir.resources import instant
from isodose.fhir.search_parameters import Parameter, folded
from isodose.fhir.search_query import Criterion, Query, split_prefix, token_parts, unescape
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index

Condition = ColumnElement[bool]


def matching(query: Query, base: str) -> Condition:
    """The rows of `resource` that fit every criterion."""
    conditions = [_fits(criterion, query.type, base) for criterion in query.criteria]
    return and_(current.c.type == query.type, current.c.deleted.is_(False), *conditions)


def page(query: Query, base: str) -> Select[*tuple[Any, ...]]:
    """The current resources of one page, in the order asked for, then by id so that pages do not overlap."""
    statement = select(current).where(matching(query, base)).order_by(*_order(query), current.c.id)
    return statement.limit(query.count).offset(query.offset)


def ids(query: Query, base: str, limit: int) -> Select[str]:
    return select(current.c.id).where(matching(query, base)).order_by(current.c.id).limit(limit)


def total(query: Query, base: str) -> Select[int]:
    return select(func.count()).select_from(current).where(matching(query, base))


def _order(query: Query) -> list[ColumnElement[object]]:
    keys: list[ColumnElement[object]] = []
    for parameter, descending in query.sort:
        key = _sort_key(parameter, descending)
        keys.append(key.desc().nulls_last() if descending else key.asc().nulls_last())
    return keys or [current.c.last_updated.desc()]


def _sort_key(parameter: Parameter, descending: bool) -> ColumnElement[object]:
    if parameter.name == "_id":
        return current.c.id
    if parameter.name == "_lastUpdated":
        return current.c.last_updated
    ranged = parameter.kind in ("date", "quantity")
    column = (search_index.c.high if descending else search_index.c.low) if ranged else search_index.c.value
    pick = func.max(column) if descending else func.min(column)
    return select(pick).where(_own(parameter.name)).scalar_subquery()


def _own(param: str) -> Condition:
    return and_(
        search_index.c.type == current.c.type,
        search_index.c.id == current.c.id,
        search_index.c.param == param,
    )


def _fits(criterion: Criterion, kind: str, base: str) -> Condition:
    parameter, modifier = criterion.parameter, criterion.modifier
    if criterion.chain is not None:
        return _through(criterion, kind, base)
    if modifier == "missing":
        return _missing(criterion)
    if parameter.name == "_id":
        return current.c.id.in_(criterion.values)
    if parameter.name == "_lastUpdated":
        return or_(*(_updated(value) for value in criterion.values))
    if parameter.kind == "patient":
        return or_(*(_patient(value, modifier, base) for value in criterion.values))
    name = f"{parameter.name}:identifier" if modifier == "identifier" else parameter.name
    any_value = or_(*(_value(parameter, modifier, value, base) for value in criterion.values))
    found = current.c.id.in_(
        select(search_index.c.id).where(search_index.c.type == kind, search_index.c.param == name, any_value)
    )
    return not_(found) if modifier == "not" else found


def _missing(criterion: Criterion) -> Condition:
    (value,) = criterion.values[:1]
    if value not in ("true", "false"):
        raise bad_request(f"{criterion.parameter.name}:missing must be true or false.", code="value")
    name = criterion.parameter.name
    if criterion.parameter.kind == "patient":
        there: Condition = current.c.patient_id.is_not(None)
    else:
        there = exists().where(_own(name))
    return not_(there) if value == "true" else there


def _through(criterion: Criterion, source: str, base: str) -> Condition:
    """A chained search: the reference points to a resource that fits."""
    assert criterion.chain is not None
    kind, inner = criterion.chain
    fitting = select(current.c.id).where(matching(Query(kind, (inner,)), base)).correlate(None).subquery()
    if criterion.parameter.kind == "patient":
        return current.c.patient_id.in_(select(fitting.c.id))
    pointing = select(search_index.c.id).where(
        search_index.c.type == source,
        search_index.c.param == criterion.parameter.name,
        search_index.c.system == kind,
        search_index.c.value.in_(select(fitting.c.id)),
    )
    return current.c.id.in_(pointing)


def _patient(value: str, modifier: str | None, base: str) -> Condition:
    reference = unescape(value)
    kind, key = target(reference, base) or (modifier or "Patient", reference)
    return current.c.patient_id == key if kind == "Patient" else false()


def _value(parameter: Parameter, modifier: str | None, value: str, base: str) -> Condition:
    match parameter.kind:
        case "date":
            return _dated(parameter.name, value)
        case "quantity":
            return _measured(parameter.name, value)
        case "string":
            return _text(unescape(value), modifier)
        case "reference" if modifier != "identifier":
            return _pointed(unescape(value), modifier, base)
        case "uri":
            uri = unescape(value)
            below = search_index.c.value.startswith(uri, autoescape=True)
            return below if modifier == "below" else search_index.c.value == uri
        case _:
            return _token(value)


def _token(value: str) -> Condition:
    system, code = token_parts(value)
    conditions: list[Condition] = []
    if system is not None:
        conditions.append(search_index.c.system == system if system else search_index.c.system.is_(None))
    if code is not None:
        conditions.append(search_index.c.value == code)
    return and_(*conditions) if conditions else false()


def _text(value: str, modifier: str | None) -> Condition:
    if modifier == "exact":
        return and_(search_index.c.value == folded(value), search_index.c.text == value)
    if modifier == "contains":
        return search_index.c.value.contains(folded(value), autoescape=True)
    return search_index.c.value.startswith(folded(value), autoescape=True)


def _pointed(value: str, modifier: str | None, base: str) -> Condition:
    found = target(value, base)
    kind, key = found if found else (modifier, value)
    same = search_index.c.value == key
    return and_(same, search_index.c.system == kind) if kind else same


def _dated(name: str, value: str) -> Condition:
    prefix, text = split_prefix(value)
    start, end = _range(name, text)
    return _compare(prefix, start.timestamp(), end.timestamp())


def _range(name: str, text: str) -> tuple[datetime, datetime]:
    try:
        return dates.bounds(unescape(text))
    except ValueError:
        raise bad_request(
            f"The search parameter {name} needs a date, such as 2026-03 or ge2026-03-01.", code="value"
        ) from None


def _measured(name: str, value: str) -> Condition:
    number, _, unit = value.partition("|")
    prefix, digits = split_prefix(number)
    try:
        exact = float(digits)
    except ValueError:
        raise bad_request(
            f"The search parameter {name} needs a number, such as ge4.5.", code="value"
        ) from None
    mantissa, _, exponent = digits.lower().partition("e")
    half = 0.5 * 10 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    rounded = prefix in ("eq", "ne", "ap")
    low, high = (exact - half, math.nextafter(exact + half, -math.inf)) if rounded else (exact, exact)
    close = _compare(prefix, low, high)
    return and_(close, _token(unit)) if unit.strip("|") else close


def _compare(prefix: str, low: float, high: float) -> Condition:
    """How the range of a row lies to the range that is asked for."""
    inside = and_(search_index.c.low >= low, search_index.c.high <= high)
    conditions: dict[str, Condition] = {
        "eq": inside,
        "ne": not_(inside),
        "gt": search_index.c.high > high,
        "lt": search_index.c.low < low,
        "ge": or_(search_index.c.high > high, inside),
        "le": or_(search_index.c.low < low, inside),
        "sa": search_index.c.low > high,
        "eb": search_index.c.high < low,
        "ap": and_(search_index.c.low <= high, search_index.c.high >= low),
    }
    return conditions[prefix]


def _updated(value: str) -> Condition:
    prefix, text = split_prefix(value)
    start, end = (instant(moment) for moment in _range("_lastUpdated", text))
    column = current.c.last_updated
    conditions: dict[str, Condition] = {
        "eq": and_(column >= start, column <= end),
        "ne": or_(column < start, column > end),
        "gt": column > end,
        "lt": column < start,
        "ge": column >= start,
        "le": column <= end,
        "sa": column > end,
        "eb": column < start,
        "ap": and_(column >= start, column <= end),
    }
    return conditions[prefix]
