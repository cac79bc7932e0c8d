"""The search index made anew from what is stored: after a release that searches by more than the one before.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import orjson
from sqlalchemy import delete, select, tuple_

from isodose.fhir.reading import PAGE
from isodose.fhir.search_parameters import rows
from isodose.storage.database import Database
from isodose.storage.insertion import insert_structs
from isodose.storage.tables import resource as current
from isodose.storage.tables import search_index


def reindex(database: Database, base: str) -> int:
    """Index every current resource as this version does; how many there are. A service may run meanwhile: it
    waits for one page at most.
    """
    last, counted = ("", ""), 0
    while found := _page(database, base, last):
        last, counted = found[-1], counted + len(found)
    return counted


def _page(database: Database, base: str, last: tuple[str, str]) -> list[tuple[str, str]]:
    key = tuple_(current.c.type, current.c.id)
    statement = (
        select(current.c.type, current.c.id, current.c.body)
        .where(key > last, current.c.deleted.is_(False))
        .order_by(current.c.type, current.c.id)
        .limit(PAGE)
        .with_for_update()
    )
    with database.begin() as conn:
        found = conn.execute(statement).all()
        keys = [(row.type, row.id) for row in found]
        indexed = tuple_(search_index.c.type, search_index.c.id)
        conn.execute(delete(search_index).where(indexed.in_(keys)))
        made = [one for row in found for one in rows(row.type, row.id, orjson.loads(row.body), base)]
        insert_structs(conn, search_index, made)
    return keys
