"""What comes along with the matches of a search: `_include`, `_revinclude`, and both again with :iterate.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, select

from isodose.fhir.criteria import REFERENCES
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.reading import Key, Reading
from isodose.fhir.references import target
from isodose.fhir.search_parameters import Parameter, parameters
from isodose.fhir.search_query import Include, Query
from isodose.fhir.stored import Stored
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index

MOST = 5_000
ROUNDS = 5


def included(store: Reading, query: Query, found: Sequence[Stored]) -> list[Stored]:
    """What is asked to come along, once each, without what was matched anyway.

    Raises 400 where it would be more than 5000 resources.
    """
    have = {(one.type, one.id) for one in found}
    beside: dict[Key, Stored] = {}
    latest, first = list(found), True
    for _ in range(ROUNDS):
        ahead = [one for one in query.include if first or one.iterate]
        back = [one for one in query.revinclude if first or one.iterate]
        if not latest or not (ahead or back):
            break
        wanted = _pointed_to(store, ahead, latest) | _pointing(store, back, latest)
        wanted -= have
        if len(wanted) + len(beside) > MOST:
            said = f"More than {MOST} resources would come along; ask for fewer matches per page."
            raise FhirError(400, [Issue("too-costly", said)])
        new = {key: one for key, one in store.get_many(wanted).items() if not one.deleted}
        have |= wanted
        beside |= new
        latest, first = list(new.values()), False
    return [one for _, one in sorted(beside.items())]


def _pointed_to(store: Reading, asked: Sequence[Include], found: Sequence[Stored]) -> set[Key]:
    wanted: set[Key] = set()
    for one in found:
        mine = [include for include in asked if include.source == one.type]
        data = orjson.loads(one.body) if mine else {}
        for include in mine:
            for parameter in _named(include):
                for value in parameter.values(data):
                    pointed = (
                        target(value.get("reference") or "", store.base) if isinstance(value, dict) else None
                    )
                    if pointed and include.target in (None, pointed[0]):
                        wanted.add(pointed)
    return wanted


def _targets(store: Reading, parameter: Parameter, data: dict[str, Any]) -> Iterator[Key]:
    for value in parameter.values(data):
        reference = value.get("reference") if isinstance(value, dict) else None
        pointed = target(reference, store.base) if isinstance(reference, str) else None
        if pointed is not None:
            yield pointed


def _named(include: Include) -> list[Parameter]:
    known = parameters(include.source)
    if include.name != "*":
        return [known[include.name]]
    return [parameter for parameter in known.values() if parameter.kind in REFERENCES]


def _pointing(store: Reading, asked: Sequence[Include], found: Sequence[Stored]) -> set[Key]:
    wanted: set[Key] = set()
    by_type: dict[str, list[str]] = {}
    for one in found:
        by_type.setdefault(one.type, []).append(one.id)
    for include in asked:
        parameter = parameters(include.source)[include.name]
        for kind, ids in by_type.items():
            if include.target in (None, kind):
                statement = _pointing_ids(include.source, parameter, kind, ids)
                wanted |= {(include.source, id) for id in store.conn.execute(statement).scalars()}
    return wanted


def _pointing_ids(source: str, parameter: Parameter, kind: str, ids: list[str]) -> Select[str]:
    if parameter.kind == "patient":
        fitting: ColumnElement[bool] = current.c.patient_id.in_(ids if kind == "Patient" else [])
        return select(current.c.id).where(current.c.type == source, fitting).limit(MOST + 1)
    index = search_index.c
    pointing = (index.type == source) & (index.param == parameter.name) & index.value.in_(ids)
    return select(index.id).where(pointing, index.system == kind).limit(MOST + 1)
