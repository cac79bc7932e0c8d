"""`location:below=Location/1`: what is part of this, and what it is part of, through any number of steps.

https://hl7.org/fhir/R4/search.html#reference
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, literal, select

from isodose.fhir.errors import bad_request
from isodose.fhir.r4_search import standard
from isodose.fhir.reading import Reading
from isodose.fhir.references import target
from isodose.fhir.search_parameters import Parameter, parameters
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index


def is_in_line(
    store: Reading, kind: str, parameter: Parameter, value: str, direction: str
) -> ColumnElement[bool]:
    """The rows of `search_index` that refer to this resource, or to one above or below it that may be seen.

    Raises 400 where it is not said of which type it is, or nothing of that type is part of another.
    """
    pointed, id = target(value, store.base) or (_only_target(kind, parameter.name), value)
    upward = next((name for name in ("partof", "part-of") if name in parameters(pointed)), None)
    if upward is None:
        raise bad_request(f":{direction} needs Type/id of a type of which one is part of another.")
    start = select(literal(id).label("id")).cte(recursive=True)
    row = search_index.c
    seen, found = (row.value, row.id) if direction == "below" else (row.id, row.value)
    limit = store.visible(pointed, "s")
    step = select(found).where(
        row.type == pointed, row.param == upward, row.system == pointed, seen == start.c.id
    )
    if limit is not None:
        visible = select(current.c.id).where(current.c.type == pointed, limit).correlate(None)
        step = step.where(row.id.in_(visible))
    line = start.union(step)
    return and_(row.system == pointed, row.value.in_(select(line.c.id)))


def _only_target(kind: str, name: str) -> str:
    defined = standard(kind).get(name)
    targets = defined.targets if defined is not None else ()
    return targets[0] if len(targets) == 1 else ""
