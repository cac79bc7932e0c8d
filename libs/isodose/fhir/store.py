"""The FHIR resources of one service: versions, history, and every write of a request as one batch.

https://hl7.org/fhir/R4/http.html#versioning
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from sqlalchemy import ARRAY, ColumnElement, Connection, Row, Text, cast, delete, func, select, tuple_

from isodose.fhir import errors
from isodose.fhir.dates import bounds
from isodose.fhir.insertion import insert_rows
from isodose.fhir.integrity import refuse_dangling
from isodose.fhir.resources import Resource, dump, instant, resource_of, result_id, result_key, with_meta
from isodose.fhir.search_parameters import patient_of, rows
from isodose.storage.tables import resource as current
from isodose.storage.tables import resource_version as versions
from isodose.storage.tables import search_index

Origin = Literal["ehr", "result"]
Key = tuple[str, str]

_CURRENT = (
    "type", "id", "version", "last_version", "last_updated", "source_updated", "patient_id", "deleted",
    "origin", "body",
)  # fmt: skip
_VERSION = ("type", "id", "version", "method", "last_updated", "deleted", "body")
_INDEX = ("type", "id", "param", "system", "value", "low", "high", "text")
_REPLACE = "ON CONFLICT (type, id) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in _CURRENT[2:])
# A row that somebody else made since it was read is not overwritten: the count of rows then tells.
_ADVANCE = f"{_REPLACE} WHERE resource.last_version < excluded.last_version"
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource as it is in the store. `changed` tells whether this write made it current;
    `left` is the patient whose compartment it was in before, where that is another one.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    body: bytes
    deleted: bool = False
    changed: bool = False
    created: bool = False
    method: str = "PUT"
    patient_id: str | None = None
    origin: str = "ehr"
    left: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"

    def resource(self) -> dict[str, Any]:
        """A parsed copy, to read."""
        data: dict[str, Any] = orjson.loads(self.body)
        return data


@dataclass(frozen=True, slots=True)
class Change:
    """One write that is asked for. `content` None deletes; `path` is where it stands in the request."""

    type: str
    id: str
    content: Resource | None
    method: str = "PUT"
    if_match: str | None = None
    origin: Origin = "ehr"
    path: str = ""


class ResourceStore:
    """The resources behind one connection, in its transaction. `base` is this server's own FHIR base URL."""

    def __init__(
        self, conn: Connection, base: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.conn = conn
        self.base = base.rstrip("/")
        self.clock = clock

    # Reading

    def get(self, type: str, id: str) -> Stored | None:
        """The current version, deleted or not; None when there never was one."""
        return self.get_many([(type, id)]).get((type, id))

    def get_many(self, keys: Iterable[Key], lock: bool = False) -> dict[Key, Stored]:
        return {key: as_stored(row) for key, row in self._rows(keys, lock).items()}

    def read(self, type: str, id: str) -> Stored:
        """The current version. Raises 404 when there is none, 410 when it is deleted."""
        found = self.get(type, id)
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
        return _version(row)

    def history(self, type: str, id: str, since: datetime | None = None, limit: int = _PAGE) -> list[Stored]:
        """Newest first, deletions included. Raises 404 when there never was such a resource."""
        statement = select(versions).where(versions.c.type == type, versions.c.id == id)
        if since is not None:
            statement = statement.where(versions.c.last_updated >= instant(since))
        found = self.conn.execute(statement.order_by(versions.c.version.desc()).limit(limit)).all()
        if not found and self.get(type, id) is None:
            raise errors.not_found(f"There is no {type} with this id.", f"{type}.id")
        return [_version(row) for row in found]

    def of_patient(self, patient_id: str, origin: Origin | None = None) -> list[Stored]:
        """Everything current in the patient's compartment, the Patient included, in a stable order."""
        statement = select(current).where(current.c.patient_id == patient_id, current.c.deleted.is_(False))
        if origin is not None:
            statement = statement.where(current.c.origin == origin)
        return [as_stored(row) for row in self.conn.execute(statement.order_by(current.c.type, current.c.id))]

    def results_of(self, patient_id: str) -> list[Stored]:
        return self.of_patient(patient_id, "result")

    # Writing

    def create(self, resource: Resource) -> Stored:
        return self.write([Change(resource.type, new_id(), resource, "POST", path=resource.type)])[0]

    def update(self, type: str, id: str, resource: Resource, if_match: str | None = None) -> Stored:
        return self.write([Change(type, id, resource, "PUT", if_match, path=type)])[0]

    def delete(self, type: str, id: str, if_match: str | None = None) -> Stored:
        return self.write([Change(type, id, None, "DELETE", if_match, path=type)])[0]

    def put_result(self, resource: dict[str, Any], patient_id: str | None = None) -> Stored:
        """Store what the platform concluded: same key, same id; same content, no new version."""
        return self.put_results([resource], patient_id)[0]

    def put_results(self, resources: Sequence[dict[str, Any]], patient_id: str | None = None) -> list[Stored]:
        """Many results at once. `patient_id` is for types that name no patient, such as Provenance."""
        changes = []
        for data in resources:
            id = data.get("id") or result_id(result_key(data) or str(uuid.uuid4()))
            content = resource_of({**data, "id": id}, dump(data))
            changes.append(Change(content.type, id, content, origin="result", path=content.type))
        return self.write(changes, patient_id)

    def write(self, changes: Sequence[Change], patient_id: str | None = None) -> list[Stored]:
        """All the changes at once, or none: raises FhirError before anything is written.

        Refused: dangling references (422), a stale `if_match` (412), or overtaken (409).
        Content equal to the current makes no new version; an older message goes to history only.
        """
        before = self._rows([(change.type, change.id) for change in changes], lock=True)
        refuse_dangling(self.conn, self.base, changes)
        now = self.clock()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        batch = _Batch(self, now, patient_id)
        results = [batch.add(change, before.get((change.type, change.id))) for change in changes]
        batch.flush()
        return results

    def _rows(self, keys: Iterable[Key], lock: bool = False) -> dict[Key, Row[Any]]:
        wanted = sorted(set(keys))
        found: dict[Key, Row[Any]] = {}
        for start in range(0, len(wanted), _PAGE):
            part = wanted[start : start + _PAGE]
            statement = select(current).where(_among(self.conn, part))
            if lock:
                statement = statement.order_by(current.c.type, current.c.id).with_for_update()
            found |= {(row.type, row.id): row for row in self.conn.execute(statement)}
        return found


class _Batch:
    """The rows that one batch of changes puts into the three tables."""

    def __init__(self, store: ResourceStore, now: datetime, patient_id: str | None) -> None:
        self.store = store
        self.now = now
        self.patient_id = patient_id
        self.current: list[tuple[Any, ...]] = []
        self.versions: list[tuple[Any, ...]] = []
        self.index: list[tuple[Any, ...]] = []
        self.restamped: list[tuple[Any, ...]] = []
        self.unindexed: list[Key] = []

    def add(self, change: Change, row: Row[Any] | None) -> Stored:
        if change.if_match is not None and (row is None or change.if_match != f'W/"{row.version}"'):
            raise errors.precondition_failed(
                "The resource is not in the version that If-Match names; read it again.",
                f"{change.path}.meta.versionId",
            )
        if change.content is None:
            return self._delete(change, row)
        return self._put(change, change.content, row)

    def _delete(self, change: Change, row: Row[Any] | None) -> Stored:
        if row is None:
            return Stored(change.type, change.id, 0, self.now, b"", deleted=True, method="DELETE")
        if row.deleted:
            return as_stored(row)
        stored = replace(
            as_stored(row), version=row.last_version + 1, last_updated=self.now, body=b"", deleted=True,
            changed=True, method="DELETE",
        )  # fmt: skip
        self._keep(stored, row.source_updated)
        return stored

    def _put(self, change: Change, content: Resource, row: Row[Any] | None) -> Stored:
        source = _source_updated(content.data)
        if row is not None and not row.deleted and self._same(content, row):
            if source is not None and (row.source_updated is None or source > row.source_updated):
                self._restamp(row, source)
            return as_stored(row)
        number = row.last_version + 1 if row is not None else 1
        body = with_meta(content.raw, change.id, number, self.now)
        stored = Stored(
            change.type, change.id, number, self.now, body, changed=True, created=row is None or row.deleted,
            method=change.method, patient_id=self._patient(change, content), origin=change.origin,
        )  # fmt: skip
        if row is not None and change.if_match is None and _older(source, row.source_updated):
            self._keep_in_history(stored, content, row)
            return as_stored(row)
        if row is not None and row.patient_id != stored.patient_id:
            stored = replace(stored, left=row.patient_id)
        self._keep(stored, source)
        self._index(stored, content.data)
        return stored

    def _patient(self, change: Change, content: Resource) -> str | None:
        if change.type == "Patient":
            return change.id
        return patient_of(change.type, content.data, self.store.base) or self.patient_id

    def _same(self, content: Resource, row: Row[Any]) -> bool:
        updated = datetime.fromisoformat(row.last_updated)
        return bool(with_meta(content.raw, row.id, row.version, updated) == row.body.encode())

    def _keep(self, stored: Stored, source: str | None) -> None:
        body, updated = stored.body.decode(), instant(stored.last_updated)
        self.current.append((
            stored.type, stored.id, stored.version, stored.version, updated, source, stored.patient_id,
            stored.deleted, stored.origin, body,
        ))  # fmt: skip
        self.versions.append(
            (stored.type, stored.id, stored.version, stored.method, updated, stored.deleted, body)
        )
        if stored.version > 1:
            self.unindexed.append((stored.type, stored.id))

    def _keep_in_history(self, stored: Stored, content: Resource, row: Row[Any]) -> None:
        if any(self._same(content, old) for old in self._old_versions(row)):
            return
        self.current.append((*row[:3], stored.version, *row[4:]))
        body, updated = stored.body.decode(), instant(stored.last_updated)
        self.versions.append((stored.type, stored.id, stored.version, stored.method, updated, False, body))

    def _old_versions(self, row: Row[Any]) -> Sequence[Row[Any]]:
        kept = versions.c.deleted.is_(False)
        statement = select(versions).where(versions.c.type == row.type, versions.c.id == row.id, kept)
        return self.store.conn.execute(statement).all()

    def _restamp(self, row: Row[Any], source: str) -> None:
        self.restamped.append((*row[:5], source, *row[6:]))

    def _index(self, stored: Stored, data: dict[str, Any]) -> None:
        key = (stored.type, stored.id)
        self.index.extend((*key, *row) for row in rows(stored.type, data, self.store.base))

    def flush(self) -> None:
        conn = self.store.conn
        for start in range(0, len(self.unindexed), _PAGE):
            keys = tuple_(search_index.c.type, search_index.c.id)
            conn.execute(delete(search_index).where(keys.in_(self.unindexed[start : start + _PAGE])))
        insert_rows(conn, current, _CURRENT, self.restamped, _REPLACE)
        written = insert_rows(conn, current, _CURRENT, self.current, _ADVANCE)
        if written != len(self.current):
            said = "Somebody else wrote the same resource at the same time; send it again."
            raise errors.OvertakenError(409, [errors.Issue("conflict", said)])
        insert_rows(conn, versions, _VERSION, self.versions)
        insert_rows(conn, search_index, _INDEX, self.index)


def _among(conn: Connection, keys: Sequence[Key]) -> ColumnElement[bool]:
    """The rows of these keys. Two arrays cost PostgreSQL a tenth of a hundred parameters."""
    pair = tuple_(current.c.type, current.c.id)
    if conn.dialect.name != "postgresql":
        return pair.in_(keys)
    columns = (cast([key[part] for key in keys], ARRAY(Text)) for part in (0, 1))
    return pair.in_(select(*map(func.unnest, columns)))


def new_id() -> str:
    return str(uuid.uuid4())


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() and len(version) < 10 else -1


def _source_updated(data: dict[str, Any]) -> str | None:
    """The sender's stamp in UTC with microseconds, so that text order is time order."""
    stamp = (data.get("meta") or {}).get("lastUpdated")
    if not isinstance(stamp, str):
        return None
    return bounds(stamp)[0].strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _older(source: str | None, stored: str | None) -> bool:
    return source is not None and stored is not None and source < stored


def as_stored(row: Row[Any]) -> Stored:
    """A row of `resource` as what it stands for."""
    return Stored(
        row.type, row.id, row.version, datetime.fromisoformat(row.last_updated), row.body.encode(),
        deleted=row.deleted, patient_id=row.patient_id, origin=row.origin,
    )  # fmt: skip


def _version(row: Row[Any]) -> Stored:
    return Stored(
        row.type, row.id, row.version, datetime.fromisoformat(row.last_updated), row.body.encode(),
        deleted=row.deleted, method=row.method,
    )  # fmt: skip
