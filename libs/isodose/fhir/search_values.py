"""One value of a search parameter as a condition on the search index, the same on both dialects.

https://hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

import math
import re
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, not_, or_

from isodose.fhir import dates
from isodose.fhir.criteria import identifier_parts, split_prefix, token_parts, unescape
from isodose.fhir.errors import bad_request
from isodose.fhir.references import target
from isodose.fhir.resources import instant
from isodose.fhir.search_parameters import LONGEST, Parameter, folded
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index

Condition = ColumnElement[bool]
# An exponent of more digits would be no measurement, and costly to raise.
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")


def fits_value(parameter: Parameter, modifier: str | None, value: str, base: str) -> Condition:
    """The rows of `search_index` whose value fits this one."""
    match parameter.kind:
        case "date":
            return _dated(parameter.name, value)
        case "quantity" | "number":
            return _measured(parameter.name, value)
        case "string":
            return _text(unescape(value), modifier)
        case "reference" if modifier != "identifier":
            return _pointed(unescape(value), modifier, base)
        case "uri":
            return _address(unescape(value), modifier)
        case _:
            return _token(value, modifier)


def _address(uri: str, modifier: str | None) -> Condition:
    if modifier == "below":
        return search_index.c.value.startswith(uri, autoescape=True)
    if modifier == "above":
        ends = [i for i, sign in enumerate(uri) if sign in "/|:"]
        return search_index.c.value.in_([uri, *(uri[:end] for end in ends if end)])
    exactly = search_index.c.value == uri
    if "|" in uri:
        return exactly
    return or_(exactly, search_index.c.value.startswith(f"{uri}|", autoescape=True))


def _token(value: str, modifier: str | None = None) -> Condition:
    if modifier == "text":
        return search_index.c.text.startswith(folded(unescape(value)), autoescape=True)
    if modifier == "of-type":
        kind, typed, identified = identifier_parts(value)
        of_type = search_index.c.value == f"{typed}|{identified}"[:LONGEST]
        return and_(search_index.c.system == kind, of_type)
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
    exact = float(digits) if _NUMBER.fullmatch(digits) else math.inf
    if math.isinf(exact):
        raise bad_request(f"The search parameter {name} needs a number, such as ge4.5.", code="value")
    mantissa, _, exponent = digits.lower().partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    rounded = prefix in ("eq", "ne", "ap")
    low, high = (exact - half, math.nextafter(exact + half, -math.inf)) if rounded else (exact, exact)
    close = _compare(prefix, low, high)
    return and_(close, _token(unit)) if unit.strip("|") else close


def _compare(prefix: str, low: float, high: float) -> Condition:
    """How the range of a row lies to the range that is asked for. That a row which ends within it also begins
    before its end goes without saying, but the index of beginnings has to be told.
    """
    inside = and_(search_index.c.low >= low, search_index.c.high <= high)
    conditions: dict[str, Condition] = {
        "eq": and_(inside, search_index.c.low <= high),
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


def updated(value: str) -> Condition:
    """The rows of `resource` that were last changed then."""
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
