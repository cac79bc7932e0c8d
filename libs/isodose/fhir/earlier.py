"""The resources of a service as they stood just before one version was written.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, or_, select, tuple_

from isodose.fhir.reading import Key
from isodose.fhir.resources import instant
from isodose.fhir.store import ResourceStore
from isodose.fhir.stored import Stored, as_version
from isodose.storage.tables import resource_version as versions


class Earlier(ResourceStore):
    """`get` and `get_many` give what whoever wrote `moment` could see; for everything else as it is now."""

    def __init__(self, conn: Connection, base: str, moment: Stored) -> None:
        super().__init__(conn, base)
        self._moment = moment

    def get_many(self, keys: Iterable[Key], lock: bool = False) -> dict[Key, Stored]:
        at, moment = versions.c, self._moment
        itself = tuple_(at.type, at.id) == tuple_(moment.type, moment.id)
        query = (
            select(versions)
            .where(tuple_(at.type, at.id).in_(sorted(set(keys))))
            .where(or_(at.version < moment.version, ~itself), at.last_updated <= instant(moment.last_updated))
            .order_by(at.version)
        )
        return {(row.type, row.id): as_version(row) for row in self.conn.execute(query)}
