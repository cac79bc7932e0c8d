"""Patient records and what was decided on them, guarded so that an older one never overwrites a newer one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, text, union

from isodose.clinical import record as clinical_record
from isodose.clinical.record import PatientRecord
from isodose.storage.insertion import insert_rows
from isodose.storage.tables import guidance, patient_record

_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('patient:' || id, 0))"
    " FROM unnest(CAST(:ids AS text[])) AS id"
)
"""An array is unnested in its order, so locks are taken in that order."""
_KEPT = select(patient_record.c.content).where(patient_record.c.patient_id == bindparam("patient"))
_RECORD = ("patient_id", "version", "content")
_NEWER_RECORD = (
    "ON CONFLICT (patient_id) DO UPDATE SET version = excluded.version, content = excluded.content"
    " WHERE excluded.version > patient_record.version"
)
_GUIDANCE = (
    "service", "patient_id", "record_version", "knowledge_version", "on_date", "digest", "due_on", "state",
)  # fmt: skip
_NEWER_GUIDANCE = (
    "ON CONFLICT (service, patient_id) DO UPDATE SET "
    f"{', '.join(f'{c} = excluded.{c}' for c in _GUIDANCE[2:])}"
    " WHERE (excluded.record_version, excluded.on_date) >= (guidance.record_version, guidance.on_date)"
)


class Records:
    """The newest record of each patient, inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def lock(self, *patient_ids: str) -> None:
        """Let nobody else write these patients until this transaction ends.

        Several patients are locked in one fixed order, so that two bundles never wait for each other; name
        all of a bundle's patients in one call. On SQLite the transaction itself already excludes all writers.
        """
        if self.conn.dialect.name != "postgresql":
            return
        wanted = set(patient_ids) - self._locked()
        if wanted:
            self.conn.execute(_LOCK, {"ids": sorted(wanted)})
            self._locked().update(wanted)

    def _locked(self) -> set[str]:
        """The patients this transaction has locked; none inside a savepoint, which may undo its own."""
        if self.conn.in_nested_transaction():
            return set()
        transaction = self.conn.get_transaction()
        if self.conn.info.get("isodose.locked_in") is not transaction:
            self.conn.info["isodose.locked_in"], self.conn.info["isodose.locked"] = transaction, set()
        locked: set[str] = self.conn.info["isodose.locked"]
        return locked

    def get(self, patient_id: str) -> PatientRecord | None:
        content = self.conn.execute(_KEPT, {"patient": patient_id}).scalar_one_or_none()
        return None if content is None else clinical_record.decode(content)

    def get_many(self, patient_ids: Iterable[str]) -> dict[str, PatientRecord]:
        """The records there are, by patient."""
        query = select(patient_record.c.content).where(patient_record.c.patient_id.in_(sorted(patient_ids)))
        found = map(clinical_record.decode, self.conn.execute(query).scalars())
        return {record.patient_id: record for record in found}

    def versions(self, patient_ids: Iterable[str]) -> dict[str, int]:
        """The stored versions, by patient; a patient without a record is left out."""
        at = patient_record.c
        query = select(at.patient_id, at.version).where(at.patient_id.in_(sorted(patient_ids)))
        return {row.patient_id: row.version for row in self.conn.execute(query)}

    def put(self, *records: PatientRecord) -> int:
        """Store the records, one per patient, that are newer than the stored ones; how many they were."""
        rows = [(r.patient_id, r.version, clinical_record.encode(r).decode()) for r in records]
        return insert_rows(self.conn, patient_record, _RECORD, rows, _NEWER_RECORD)

    def ids(self) -> Iterator[str]:
        """Every patient with a record, in order of id."""
        query = select(patient_record.c.patient_id).order_by(patient_record.c.patient_id)
        yield from self.conn.execute(query).scalars().all()


@dataclass(frozen=True)
class Guidance:
    """What one service last decided on one patient. `digest` is that of the findings and options.

    `due_on` is the next day on which the answer may change although the record does not; None when never.
    A service that only keeps the results of another's decision leaves `digest` empty. `state` is a word for
    how the patient stands, where the service has one.
    """

    service: str
    patient_id: str
    record_version: int
    knowledge_version: str
    on: dt.date
    digest: str
    due_on: dt.date | None = None
    state: str = ""


class GuidanceStore:
    """The last decision of each service on each patient, inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def get(self, service: str, patient_id: str) -> Guidance | None:
        return self.get_many(service, [patient_id]).get(patient_id)

    def get_many(self, service: str, patient_ids: Iterable[str]) -> dict[str, Guidance]:
        """What the service last decided, by patient."""
        at = guidance.c
        query = select(guidance).where(at.service == service, at.patient_id.in_(sorted(patient_ids)))
        return {row.patient_id: _as_guidance(row) for row in self.conn.execute(query)}

    def put(self, *decided: Guidance) -> list[Guidance]:
        """Store decisions, one per service and patient; those that count.

        A decision on an older record, or for an earlier day on the same record, than the stored one does not
        count. Whoever writes holds the lock of these patients.
        """
        rows = [_as_row(one) for one in decided]
        if insert_rows(self.conn, guidance, _GUIDANCE, rows, _NEWER_GUIDANCE) == len(rows):
            return list(decided)
        stand = {
            (service, patient_id): found
            for service in {one.service for one in decided}
            for patient_id, found in self.get_many(service, [one.patient_id for one in decided]).items()
        }
        return [one for one in decided if stand[one.service, one.patient_id] == one]

    def to_renew(
        self, service: str, on: dt.date, knowledge_version: str, *, after: str, limit: int
    ) -> list[str]:
        """The first patients after `after`, in order of id, whose answer may have changed by `on` although
        their record did not, or rests on other knowledge.
        """
        at = guidance.c
        ways = (
            at.due_on <= on,
            at.knowledge_version < knowledge_version,
            at.knowledge_version > knowledge_version,
        )
        firsts = [
            select(at.patient_id)
            .where(at.service == service, differs, at.patient_id > after)
            .order_by(at.patient_id)
            .limit(limit)
            .subquery()
            for differs in ways
        ]
        found = union(*(select(first.c.patient_id) for first in firsts)).order_by("patient_id").limit(limit)
        return list(self.conn.execute(found).scalars())

    def decided_since(self, service: str, on: dt.date) -> list[str]:
        """Patients whose last decision is of that day or a later one, in order of id."""
        query = (
            select(guidance.c.patient_id)
            .where(guidance.c.service == service, guidance.c.on_date >= on)
            .order_by(guidance.c.patient_id)
        )
        return list(self.conn.execute(query).scalars())

    def count_by_state(self, service: str) -> dict[str, int]:
        """How many patients of the service stand how; those of whom it says nothing are left out."""
        at = guidance.c
        counted = select(at.state, func.count()).where(at.service == service, at.state != "")
        return {row[0]: row[1] for row in self.conn.execute(counted.group_by(at.state))}


def _as_guidance(row: Row[Any]) -> Guidance:
    return Guidance(
        service=row.service,
        patient_id=row.patient_id,
        record_version=row.record_version,
        knowledge_version=row.knowledge_version,
        on=row.on_date,
        digest=row.digest,
        due_on=row.due_on,
        state=row.state,
    )


def _as_row(one: Guidance) -> tuple[Any, ...]:
    due_on = one.due_on.isoformat() if one.due_on else None
    return (
        one.service, one.patient_id, one.record_version, one.knowledge_version, one.on.isoformat(),
        one.digest, due_on, one.state,
    )  # fmt: skip
