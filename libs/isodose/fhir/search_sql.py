"""A search as SQL over the search index, the same on both dialects; one page after another by position.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, exists, false, func, not_, or_, select, union_all

from isodose.fhir.criteria import Criterion, unescape
from isodose.fhir.cursor import no_place, place_in, spelled
from isodose.fhir.errors import bad_request
from isodose.fhir.membership import is_member
from isodose.fhir.part_of import is_in_line
from isodose.fhir.reading import Reading
from isodose.fhir.references import target
from isodose.fhir.search_parameters import Parameter
from isodose.fhir.search_query import Query
from isodose.fhir.search_values import fits_value, updated
from isodose.fhir.subsumption import is_related
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index

Condition = ColumnElement[bool]
Key = ColumnElement[Any]
_RANGED = ("date", "quantity", "number")
_keys = msgspec.json.Decoder(list[str | int | float | None])


def matching(store: Reading, kind: str, criteria: list[Criterion]) -> Condition:
    """The rows of `resource` of this type that fit every criterion and that the asker may see."""
    limit = store.visible(kind, "s")
    conditions = [_fits(store, criterion, kind) for criterion in criteria]
    limits = [] if limit is None else [limit]
    return and_(current.c.type == kind, current.c.deleted.is_(False), *limits, *conditions)


def page(store: Reading, query: Query) -> Select[*tuple[Any, ...]]:
    """One page and one row more, which tells that there is a next one. Columns `key_0`, ... are its position.

    Pages go on after the last row seen, not after so many rows: what is added or removed between two pages
    neither repeats nor hides another resource.
    """
    keys = [_sort_key(parameter, descending) for parameter, descending in query.sort]
    fitting = matching(store, query.type, query.criteria)
    if not keys:
        after = current.c.id > _position(query, 1)[0] if query.cursor else None
        statement = select(current).where(fitting).order_by(current.c.id).limit(query.count + 1)
        return statement if after is None else statement.where(after)
    labelled = [key.label(f"key_{i}") for i, key in enumerate(keys)]
    statement = select(current, *labelled).where(fitting)
    if not query.cursor:
        return statement.order_by(*_order(query, labelled), current.c.id).limit(query.count + 1)
    inner = statement.subquery()
    columns: list[Key] = [inner.c[f"key_{i}"] for i in range(len(keys))]
    later = _after(query, columns, inner.c.id)
    return select(inner).where(later).order_by(*_order(query, columns), inner.c.id).limit(query.count + 1)


def _order(query: Query, keys: Sequence[Key]) -> list[Key]:
    """Those that no resource is without go in the order of an index, which knows no nulls last."""
    ordered: list[Key] = []
    for key, (parameter, descending) in zip(keys, query.sort, strict=True):
        by_key = key.desc() if descending else key.asc()
        ordered.append(by_key if parameter.name in ("_id", "_lastUpdated") else by_key.nulls_last())
    return ordered


def ids(store: Reading, query: Query, limit: int) -> Select[str]:
    fitting = matching(store, query.type, query.criteria)
    return select(current.c.id).where(fitting).order_by(current.c.id).limit(limit)


def total(store: Reading, query: Query) -> Select[int]:
    return select(func.count()).select_from(current).where(matching(store, query.type, query.criteria))


def position(query: Query, row: Any) -> str:
    """Where the page ends that has this as its last row."""
    keys = [getattr(row, f"key_{i}") for i in range(len(query.sort))]
    return spelled([*keys, row.id])


def _position(query: Query, length: int) -> list[Any]:
    found = place_in(query.cursor, _keys)
    if len(found) != length or not isinstance(found[-1], str):
        raise no_place()
    if not all(_is_key(key, parameter) for key, (parameter, _) in zip(found, query.sort, strict=False)):
        raise no_place()
    return found


def _is_key(key: object, parameter: Parameter) -> bool:
    """Whether this can be where a page ended that is sorted by this parameter."""
    ranged = parameter.kind in _RANGED and parameter.name != "_lastUpdated"
    return key is None or (isinstance(key, int | float) if ranged else isinstance(key, str))


def _after(query: Query, columns: list[Key], id_column: Key) -> Condition:
    """Rows that come later than the position: by the first key that differs, at last by id."""
    *keys, last = _position(query, len(columns) + 1)
    condition: Condition = id_column > last
    for column, (_, descending), key in reversed(list(zip(columns, query.sort, keys, strict=True))):
        if key is None:
            condition = and_(column.is_(None), condition)
        else:
            later = column < key if descending else column > key
            condition = or_(later, column.is_(None), and_(column == key, condition))
    return condition


def _sort_key(parameter: Parameter, descending: bool) -> Key:
    if parameter.name == "_id":
        return current.c.id
    if parameter.name == "_lastUpdated":
        return current.c.last_updated
    if parameter.kind == "patient":
        return current.c.patient_id
    ranged = parameter.kind in _RANGED
    column = (search_index.c.high if descending else search_index.c.low) if ranged else search_index.c.value
    pick = func.max(column) if descending else func.min(column)
    return select(pick).where(_own(parameter.name)).scalar_subquery()


def _own(param: str) -> Condition:
    return and_(
        search_index.c.type == current.c.type,
        search_index.c.id == current.c.id,
        search_index.c.param == param,
    )


def _fits(store: Reading, criterion: Criterion, kind: str) -> Condition:
    if criterion.pointing is not None:
        return _pointed_at(store, criterion, kind)
    if criterion.chain:
        return _through(store, criterion, kind)
    if criterion.joined:
        return or_(*(and_(*(_fits(store, part, kind) for part in parts)) for parts in criterion.joined))
    if criterion.modifier == "missing":
        return _missing(criterion)
    return _has_value(store, criterion, kind)


def _has_value(store: Reading, criterion: Criterion, kind: str) -> Condition:
    parameter, modifier = criterion.parameter, criterion.modifier
    if parameter.name == "_id":
        listed = current.c.id.in_(criterion.values)
        return not_(listed) if modifier == "not" else listed
    if parameter.name == "_lastUpdated":
        return or_(*(updated(value) for value in criterion.values))
    if parameter.kind == "patient" and modifier != "identifier":
        return or_(*(_patient(value, modifier, store.base) for value in criterion.values))
    fitting = or_(*(_value_fits(store, kind, criterion, value) for value in criterion.values))
    name = f"{parameter.name}:{modifier}" if modifier in ("identifier", "of-type") else parameter.name
    found = _indexed(kind, name, fitting)
    return not_(found) if modifier in ("not", "not-in") else found


def _value_fits(store: Reading, kind: str, criterion: Criterion, value: str) -> Condition:
    parameter, modifier = criterion.parameter, criterion.modifier
    if modifier in ("in", "not-in"):
        return is_member(store, unescape(value))
    if modifier in ("above", "below"):
        if parameter.kind == "token":
            return is_related(store, value, modifier)
        if parameter.kind == "reference":
            return is_in_line(store, kind, parameter, unescape(value), modifier)
    return fits_value(parameter, modifier, value, store.base)


def _indexed(kind: str, param: str, fitting: Condition) -> Condition:
    """The rows of `resource` that have an index row like this."""
    rows = select(search_index.c.id).where(
        search_index.c.type == kind, search_index.c.param == param, fitting
    )
    return current.c.id.in_(rows)


def _missing(criterion: Criterion) -> Condition:
    (value,) = criterion.values[:1]
    if value not in ("true", "false"):
        raise bad_request(f"{criterion.parameter.name}:missing must be true or false.", code="value")
    name = criterion.parameter.name
    if name in ("_id", "_lastUpdated"):
        return false() if value == "true" else not_(false())
    if criterion.parameter.kind == "patient":
        there: Condition = current.c.patient_id.is_not(None)
    else:
        there = exists().where(_own(name))
    return not_(there) if value == "true" else there


def _fitting_ids(store: Reading, kind: str, criterion: Criterion, column: Key) -> Select[Any]:
    return select(column).where(matching(store, kind, [criterion])).correlate(None)


def _through(store: Reading, criterion: Criterion, source: str) -> Condition:
    """A chained search: the reference points to a resource that fits, of one type or another. Those are
    sought together: by an `or` of two the database would go through all resources instead.
    """
    parameter = criterion.parameter
    if parameter.kind == "patient":
        of_patients = [inner for kind, inner in criterion.chain if kind == "Patient"]
        known_as = (_fitting_ids(store, "Patient", inner, current.c.patient_id) for inner in of_patients)
        return or_(false(), *(current.c.patient_id.in_(one) for one in known_as))
    pointing = [
        select(search_index.c.id).where(
            search_index.c.type == source,
            search_index.c.param == parameter.name,
            search_index.c.system == kind,
            search_index.c.value.in_(_fitting_ids(store, kind, inner, current.c.id)),
        )
        for kind, inner in criterion.chain
    ]
    return current.c.id.in_(union_all(*pointing))


def _pointed_at(store: Reading, criterion: Criterion, kind: str) -> Condition:
    """A reverse chain, `_has`: a resource that fits points here."""
    assert criterion.pointing is not None
    source, inner = criterion.pointing
    if criterion.parameter.kind == "patient":
        fitting = _fitting_ids(store, source, inner, current.c.patient_id)
        return current.c.id.in_(fitting) if kind == "Patient" else false()
    pointed = select(search_index.c.value).where(
        search_index.c.type == source,
        search_index.c.param == criterion.parameter.name,
        search_index.c.system == kind,
        search_index.c.id.in_(_fitting_ids(store, source, inner, current.c.id)),
    )
    return current.c.id.in_(pointed)


def _patient(value: str, modifier: str | None, base: str) -> Condition:
    reference = unescape(value)
    kind, key = target(reference, base) or (modifier or "Patient", reference)
    return current.c.patient_id == key if kind == "Patient" else false()
