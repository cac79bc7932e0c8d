"""Patient records and what was decided on them, guarded so that an older one never overwrites a newer one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select, text

from isodose.clinical import record as clinical_record
from isodose.clinical.record import PatientRecord
from isodose.storage.database import insert
from isodose.storage.tables import guidance, patient_record

_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('patient:' || id, 0))"
    " FROM unnest(CAST(:ids AS text[])) AS id"
)
"""An array is unnested in its order, so locks are taken in that order."""


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
        self.conn.execute(_LOCK, {"ids": sorted(set(patient_ids))})

    def get(self, patient_id: str) -> PatientRecord | None:
        query = select(patient_record.c.content).where(patient_record.c.patient_id == patient_id)
        content = self.conn.execute(query).scalar_one_or_none()
        return None if content is None else clinical_record.decode(content)

    def version(self, patient_id: str) -> int:
        """The stored version; 0 when there is no record."""
        query = select(patient_record.c.version).where(patient_record.c.patient_id == patient_id)
        return self.conn.execute(query).scalar_one_or_none() or 0

    def put(self, record: PatientRecord) -> bool:
        """Store the record if it is newer than the stored one; False when it is older or the same."""
        statement = insert(self.conn, patient_record).values(
            patient_id=record.patient_id,
            version=record.version,
            content=clinical_record.encode(record).decode(),
        )
        statement = statement.on_conflict_do_update(
            index_elements=[patient_record.c.patient_id],
            set_={"version": statement.excluded.version, "content": statement.excluded.content},
            where=statement.excluded.version > patient_record.c.version,
        )
        return self.conn.execute(statement).rowcount == 1

    def ids(self) -> Iterator[str]:
        """Every patient with a record, in order of id."""
        query = select(patient_record.c.patient_id).order_by(patient_record.c.patient_id)
        yield from self.conn.execute(query).scalars().all()


@dataclass(frozen=True)
class Guidance:
    """What one service last decided on one patient. `content` is JSON text.

    `due_on` is the next day on which the answer may change although the record does not; None when never.
    """

    service: str
    patient_id: str
    record_version: int
    knowledge_version: str
    on: dt.date
    content: str
    due_on: dt.date | None = None


class GuidanceStore:
    """The last decision of each service on each patient, inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def get(self, service: str, patient_id: str) -> Guidance | None:
        query = select(guidance).where(guidance.c.service == service, guidance.c.patient_id == patient_id)
        row = self.conn.execute(query).one_or_none()
        if row is None:
            return None
        return Guidance(
            service=row.service,
            patient_id=row.patient_id,
            record_version=row.record_version,
            knowledge_version=row.knowledge_version,
            on=row.on_date,
            content=row.content,
            due_on=row.due_on,
        )

    def put(self, decided: Guidance) -> bool:
        """Store a decision; False when one on a newer record, or on a later day for this record, is there."""
        statement = insert(self.conn, guidance).values(
            service=decided.service,
            patient_id=decided.patient_id,
            record_version=decided.record_version,
            knowledge_version=decided.knowledge_version,
            on_date=decided.on,
            content=decided.content,
            due_on=decided.due_on,
        )
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[guidance.c.service, guidance.c.patient_id],
            set_={
                name: new[name]
                for name in ("record_version", "knowledge_version", "on_date", "content", "due_on")
            },
            where=or_(
                new.record_version > guidance.c.record_version,
                and_(
                    new.record_version == guidance.c.record_version,
                    new.on_date >= guidance.c.on_date,
                ),
            ),
        )
        return self.conn.execute(statement).rowcount == 1

    def decided_otherwise(self, service: str, knowledge_version: str) -> Iterator[str]:
        """Patients whose last decision rests on other knowledge, in order of id."""
        query = (
            select(guidance.c.patient_id)
            .where(guidance.c.service == service, guidance.c.knowledge_version != knowledge_version)
            .order_by(guidance.c.patient_id)
        )
        yield from self.conn.execute(query).scalars().all()

    def due(self, service: str, on: dt.date) -> Iterator[str]:
        """Patients whose answer may have changed by `on` although their record did not, in order of id."""
        query = (
            select(guidance.c.patient_id)
            .where(guidance.c.service == service, guidance.c.due_on <= on)
            .order_by(guidance.c.patient_id)
        )
        yield from self.conn.execute(query).scalars().all()
