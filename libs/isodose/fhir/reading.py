"""What is read of the resources of one service: current, one version, history, a patient's compartment.

https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Text,
    bindparam,
    exists,
    func,
    not_,
    select,
    tuple_,
)

from isodose.fhir import errors
from isodose.fhir.access import Right
from isodose.fhir.stored import Stored, as_stored, as_version
from isodose.storage.tables import resource as current
from isodose.storage.tables import resource_version as versions
from isodose.storage.tables import search_index

Origin = Literal["ehr", "result"]
Key = tuple[str, str]
PAGE = 500

# Each of these is asked for with every bundle: built once, it costs a fraction.
_PLACE = tuple_(current.c.type, current.c.id)
_OF_PATIENT = (
    select(current)
    .where(current.c.patient_id == bindparam("patient"), current.c.deleted.is_(False))
    .order_by(current.c.type, current.c.id)
)
# Two arrays cost PostgreSQL a tenth of a hundred parameters.
_ARRAYS = select(*(func.unnest(bindparam(name, type_=ARRAY(Text))) for name in ("types", "ids")))
_FOUND = {
    "postgresql": select(current).where(_PLACE.in_(_ARRAYS)),
    "sqlite": select(current).where(_PLACE.in_(bindparam("keys", expanding=True))),
}
_LOCKED = {
    dialect: found.order_by(current.c.type, current.c.id).with_for_update()
    for dialect, found in _FOUND.items()
}


class Reading:
    """The resources behind one connection, in its transaction. `base` is this server's own FHIR base URL.

    `whole` tells that every resource may be seen; `visible`, `shows` and `require` say what, where it is
    not so.
    """

    whole = True

    def __init__(
        self, conn: Connection, base: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.conn = conn
        self.base = base.rstrip("/")
        self.clock = clock

    def visible(self, type: str, right: Right) -> ColumnElement[bool] | None:
        """The condition on `resource` that limits what may be seen of a type; None where all may be."""
        return None

    def shows(self, stored: Stored) -> bool:
        """Whether this version may be seen."""
        return True

    def require(self, right: Right, type: str | None = None) -> None:
        """Raise 403 unless the asker has this right on the type, or on everything."""

    def get(self, type: str, id: str) -> Stored | None:
        """The current version, deleted or not; None when there never was one."""
        return self.get_many([(type, id)]).get((type, id))

    def get_many(self, keys: Iterable[Key], lock: bool = False) -> dict[Key, Stored]:
        return {key: as_stored(row) for key, row in self._rows(keys, lock).items()}

    def read(self, type: str, id: str, lock: bool = False) -> Stored:
        """The current version. Raises 404 when there is none, 410 when it is deleted."""
        found = self.get_many([(type, id)], lock).get((type, id))
        if found is None:
            raise errors.not_found(f"There is no {type} with this id.", f"{type}.id")
        if found.deleted:
            raise errors.gone(f"This {type} was deleted; its history remains.")
        return found

    def vread(self, type: str, id: str, version: str) -> Stored:
        """One version. Raises 404 when there is none, 410 when it is the deletion."""
        statement = select(versions).where(versions.c.type == type, versions.c.id == id)
        row = self.conn.execute(statement.where(versions.c.version == _number(version))).first()
        if row is None:
            raise errors.not_found(f"There is no such version of this {type}.", f"{type}.meta.versionId")
        if row.deleted:
            raise errors.gone(f"This {type} was deleted in this version.")
        return as_version(row)

    def history(
        self,
        type: str | None = None,
        id: str | None = None,
        *,
        since: str | None = None,
        at: tuple[str, str] | None = None,
        after: tuple[str, str, str, int] | None = None,
        limit: int = PAGE,
    ) -> list[Stored]:
        """Versions newest first, deletions included: of one resource, of a type, or of all.

        `since` is an instant as text; `at` are two: versions that were current at some time from the one to
        the other. `after` is the place (when, type, id, version) of the last one seen.
        Raises 404 when there never was such a resource.
        """
        column = versions.c
        order = (column.last_updated, column.type, column.id, column.version)
        statement = select(versions).order_by(*(key.desc() for key in order)).limit(limit)
        if type is not None:
            statement = statement.where(column.type == type)
        if id is not None:
            statement = statement.where(column.id == id)
        if since is not None:
            statement = statement.where(column.last_updated >= since)
        if at is not None:
            statement = statement.where(column.last_updated <= at[1], not_(_overtaken(at[0])))
        if after is not None:
            statement = statement.where(tuple_(*order) < after)
        visible = self.visible(type, "s") if type is not None and id is None else None
        if visible is not None:
            keys = select(current.c.type, current.c.id).where(current.c.type == type, visible)
            statement = statement.where(tuple_(column.type, column.id).in_(keys))
        found = self.conn.execute(statement).all()
        if id is not None and not (found and self.whole) and self.get(str(type), id) is None:
            raise errors.not_found(f"There is no {type} with this id.", f"{type}.id")
        return [as_version(row) for row in found]

    def of_patient(self, patient_id: str) -> list[Stored]:
        """Everything current in the patient's compartment, the Patient included, in a stable order."""
        return [as_stored(row) for row in self.conn.execute(_OF_PATIENT, {"patient": patient_id})]

    def dated(
        self, keys: Sequence[Key], params: Callable[[str], frozenset[str]]
    ) -> dict[Key, list[tuple[float, float]]]:
        """The spans of time, in seconds, by which the resources of these keys are searched. `params`
        names the dates of a type.
        """
        row, found = search_index.c, dict[Key, list[tuple[float, float]]]()
        ids = sorted({id for _, id in keys})
        for start in range(0, len(ids), PAGE):
            statement = select(row.type, row.id, row.param, row.low, row.high).where(
                row.id.in_(ids[start : start + PAGE]), row.low.is_not(None)
            )
            for kind, id, param, low, high in self.conn.execute(statement):
                if param in params(kind):
                    found.setdefault((kind, id), []).append((low, high))
        return found

    def results_of(self, *patient_ids: str) -> list[Stored]:
        """What the platform concluded on these patients, deleted results left out."""
        statement = select(current).where(
            current.c.patient_id.in_(patient_ids), current.c.deleted.is_(False), current.c.origin == "result"
        )
        return [as_stored(row) for row in self.conn.execute(statement.order_by(current.c.type, current.c.id))]

    def _rows(self, keys: Iterable[Key], lock: bool = False) -> dict[Key, Row[Any]]:
        wanted = sorted(set(keys))
        statement = (_LOCKED if lock else _FOUND)[self.conn.dialect.name]
        found: dict[Key, Row[Any]] = {}
        for start in range(0, len(wanted), PAGE):
            part = _as_parameters(self.conn, wanted[start : start + PAGE])
            found |= {(row.type, row.id): row for row in self.conn.execute(statement, part)}
        return found


def _as_parameters(conn: Connection, keys: Sequence[Key]) -> dict[str, Any]:
    """Keys as `_FOUND` takes them."""
    if conn.dialect.name == "sqlite":
        return {"keys": keys}
    return {"types": [type for type, _ in keys], "ids": [id for _, id in keys]}


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() and len(version) < 10 else -1


def _overtaken(moment: str) -> ColumnElement[bool]:
    """There is a later version of the same that was written by this instant."""
    later = versions.alias()
    return exists().where(
        later.c.type == versions.c.type,
        later.c.id == versions.c.id,
        later.c.version > versions.c.version,
        later.c.last_updated <= moment,
    )
