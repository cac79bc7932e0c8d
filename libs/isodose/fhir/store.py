"""The FHIR resources of one service: versions, history, and every write of a request as one batch.

https://hl7.org/fhir/R4/http.html#versioning
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import Row, delete, select, tuple_

from isodose.fhir import errors
from isodose.fhir.access import OF_ASKER, Access
from isodose.fhir.belonging import Identifier, arriving_as, names_of, owner
from isodose.fhir.dates import bounds
from isodose.fhir.integrity import refuse_dangling
from isodose.fhir.preconditions import refuse_stale, refuse_there
from isodose.fhir.reading import PAGE, Key, Origin, Reading
from isodose.fhir.resources import (
    ABOUT_NO_PATIENT,
    Resource,
    dump,
    instant,
    resource_of,
    result_id,
    result_key,
    with_meta,
)
from isodose.fhir.search_parameters import Row as IndexRow
from isodose.fhir.search_parameters import patient_of, rows
from isodose.fhir.stored import Stored, as_stored
from isodose.storage.insertion import insert_rows, insert_structs
from isodose.storage.tables import resource as current
from isodose.storage.tables import resource_version as versions
from isodose.storage.tables import search_index

_CURRENT = (
    "type", "id", "version", "last_version", "last_updated", "source_updated", "patient_id", "deleted",
    "origin", "body",
)  # fmt: skip
_VERSION = ("type", "id", "version", "method", "last_updated", "deleted", "body")
_REPLACE = "ON CONFLICT (type, id) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in _CURRENT[2:])
# A row that somebody else made since it was read is not overwritten: the count of rows then tells.
_ADVANCE = f"{_REPLACE} WHERE resource.last_version < excluded.last_version"


@dataclass(frozen=True, slots=True)
class Change:
    """One write that is asked for. `content` None deletes; `path` is where it stands in the request.

    `patient_id` is for types that name no patient: results such as Provenance, and what is of who asks.
    """

    type: str
    id: str
    content: Resource | None
    method: str = "PUT"
    if_match: str | None = None
    origin: Origin = "ehr"
    path: str = ""
    patient_id: str | None = None
    if_none_match: str | None = None


class ResourceStore(Reading):
    """The resources behind one connection, to read and to write.

    `admissions` judge writes of their type before they are stored, and may change what is stored; they are
    told what the asker may do (None: everything). `verdict` tells what is wrong with a version that was
    written: what it names is refused with all that was written beside it.
    """

    admissions: Mapping[str, Admission] = MappingProxyType({})
    verdict: Verdict | None = None

    @property
    def asker(self) -> Access | None:
        """What the asker may do; None where everything is open."""
        return None

    def create(self, resource: Resource) -> Stored:
        return self.write([Change(resource.type, new_id(), resource, "POST", path=resource.type)])[0]

    def update(
        self, type: str, id: str, resource: Resource, if_match: str | None = None, method: str = "PUT"
    ) -> Stored:
        return self.write([Change(type, id, resource, method, if_match, path=type)])[0]

    def delete(self, type: str, id: str, if_match: str | None = None) -> Stored:
        return self.write([Change(type, id, None, "DELETE", if_match, path=type)])[0]

    def put_result(self, resource: dict[str, Any], patient_id: str | None = None) -> Stored:
        """Store what the platform concluded: same key, same id; same content, no new version."""
        return self.write([_as_result(resource, patient_id)])[0]

    def put_results(self, results: Mapping[str, Iterable[dict[str, Any]]]) -> list[Stored]:
        """What was concluded on several patients, by patient id, in one write; what is now stored of it.

        What is the same for every patient is written first, for the others point to it, and only where it
        differs from what is stored: decisions on different patients do not wait for each other.
        """
        self.put_shared(r for of_one in results.values() for r in of_one if _is_shared(r))
        return self.write(
            [
                _as_result(one, patient)
                for patient, of_one in results.items()
                for one in of_one
                if not _is_shared(one)
            ]
        )

    def put_shared(self, resources: Iterable[dict[str, Any]]) -> None:
        """What is about no patient, where it differs from what is stored; nothing is locked otherwise."""
        changes = {(change.type, change.id): change for change in map(_as_result, resources)}
        stored = self._rows(changes)
        differing = [
            change
            for key, change in changes.items()
            if change.content and not _same(change.content, stored.get(key))
        ]
        if differing:
            self.write(differing)

    def write(self, changes: Sequence[Change]) -> list[Stored]:
        """All the changes at once, or none: raises FhirError before anything is written.

        Refused: dangling references, a patient named by an identifier that nobody has (422), a stale
        `if_match` (412), or overtaken (409).
        Content equal to the current makes no new version; an older message goes to history only.
        """
        changes = [self._admitted(change) for change in changes]
        before = self._rows([(change.type, change.id) for change in changes], lock=True)
        refuse_dangling(self.conn, self.base, changes)
        now = self.clock()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        people = [c.content.data | {"id": c.id} for c in changes if c.content and c.type == "Patient"]
        batch = _Batch(self, now, arriving_as(people))
        results = [batch.add(change, before.get((change.type, change.id))) for change in changes]
        batch.flush()
        self._judge(changes, results)
        return results

    def _judge(self, changes: Sequence[Change], written: Sequence[Stored]) -> None:
        """Raise FhirError (422) for every version that cannot stand."""
        if self.verdict is None:
            return
        new = [(c, one) for c, one in zip(changes, written, strict=True) if one.changed and not one.deleted]
        issues = [issue.under(change.path) for change, one in new for issue in self.verdict(one)]
        if issues:
            raise errors.FhirError(422, issues)

    def _admitted(self, change: Change) -> Change:
        admit = self.admissions.get(change.type)
        return change if admit is None else admit(self, change, self.asker)


Admission = Callable[[ResourceStore, Change, Access | None], Change]
Verdict = Callable[[Stored], Iterable[errors.Issue]]


class _Batch:
    """The rows that one batch of changes puts into the three tables."""

    def __init__(self, store: ResourceStore, now: datetime, arriving: Mapping[Identifier, set[str]]) -> None:
        self.store = store
        self.now = now
        self.arriving = arriving
        self.current: list[tuple[Any, ...]] = []
        self.versions: list[tuple[Any, ...]] = []
        self.index: list[IndexRow] = []
        self.restamped: list[tuple[Any, ...]] = []
        self.unindexed: list[Key] = []

    def add(self, change: Change, row: Row[Any] | None) -> Stored:
        version, deleted = (None, False) if row is None else (row.version, row.deleted)
        refuse_stale(change.if_match, version, change.path, deleted=deleted)
        refuse_there(change.if_none_match, version, change.path, deleted=deleted)
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
        if row is not None and _same(content, row):
            if source is not None and (row.source_updated is None or source > row.source_updated):
                self._restamp(row, source)
            return as_stored(row)
        number = row.last_version + 1 if row is not None else 1
        body = with_meta(content.raw, change.id, number, self.now)
        stored = Stored(
            change.type, change.id, number, self.now, body, changed=True, created=row is None or row.deleted,
            method=change.method, patient_id=self._patient(change, content, row), origin=change.origin,
        )  # fmt: skip
        if row is not None and change.if_match is None and _older(source, row.source_updated):
            self._keep_in_history(stored, content, row)
            return as_stored(row)
        if row is not None and row.patient_id != stored.patient_id:
            stored = replace(stored, left=row.patient_id)
        self._keep(stored, source)
        self.index.extend(rows(stored.type, stored.id, content.data, self.store.base))
        return stored

    def _patient(self, change: Change, content: Resource, row: Row[Any] | None) -> str | None:
        if change.type == "Patient":
            return change.id
        if change.type in OF_ASKER:
            return change.patient_id or (row.patient_id if row is not None and not row.deleted else None)
        known = patient_of(change.type, content.data, self.store.base) or change.patient_id
        if known is not None or change.origin == "result":
            return known
        names = names_of(change.type, content.data)
        if not names:
            return None
        try:
            return owner(self.store.conn, names, self.arriving)
        except errors.FhirError as error:
            raise error.under(change.path) from None

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
        if any(_same(content, old) for old in self._old_versions(row)):
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

    def flush(self) -> None:
        conn = self.store.conn
        for start in range(0, len(self.unindexed), PAGE):
            keys = tuple_(search_index.c.type, search_index.c.id)
            conn.execute(delete(search_index).where(keys.in_(self.unindexed[start : start + PAGE])))
        insert_rows(conn, current, _CURRENT, self.restamped, _REPLACE)
        written = insert_rows(conn, current, _CURRENT, self.current, _ADVANCE)
        if written != len(self.current):
            said = "Somebody else wrote the same resource at the same time; send it again."
            raise errors.OvertakenError(409, [errors.Issue("conflict", said)])
        insert_rows(conn, versions, _VERSION, self.versions)
        insert_structs(conn, search_index, self.index)


def _as_result(data: dict[str, Any], patient_id: str | None = None) -> Change:
    id = data.get("id") or result_id(result_key(data) or str(uuid.uuid4()))
    content = resource_of({**data, "id": id}, dump(data))
    return Change(content.type, id, content, origin="result", path=content.type, patient_id=patient_id)


def _is_shared(resource: Mapping[str, Any]) -> bool:
    return resource["resourceType"] in ABOUT_NO_PATIENT


def _same(content: Resource, row: Row[Any] | None) -> bool:
    if row is None or row.deleted:
        return False
    updated = datetime.fromisoformat(row.last_updated)
    given, kept = with_meta(content.raw, row.id, row.version, updated), row.body.encode()
    return given == kept or _compact(given) == _compact(kept)


def _compact(text: bytes) -> bytes:
    """JSON without the white space between its tokens; numbers and strings stay as they are written."""
    return msgspec.json.format(text, indent=-1)


def new_id() -> str:
    return str(uuid.uuid4())


def _source_updated(data: dict[str, Any]) -> str | None:
    """The sender's stamp in UTC with microseconds, so that text order is time order."""
    stamp = (data.get("meta") or {}).get("lastUpdated")
    if not isinstance(stamp, str):
        return None
    return bounds(stamp)[0].isoformat(timespec="microseconds").replace("+00:00", "Z")


def _older(source: str | None, stored: str | None) -> bool:
    return source is not None and stored is not None and source < stored
