"""What was decided and on what: each decision, record version and knowledge version, kept to repeat it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from isodose.clinical import record as clinical_record
from isodose.clinical.record import PatientRecord
from isodose.storage.insertion import insert_rows
from isodose.storage.records import Guidance
from isodose.storage.tables import decision, knowledge_version, record_version

_DECISION = (
    "service", "patient_id", "record_version", "knowledge_version", "on_date", "decided_at", "digest",
)  # fmt: skip
_RECORD = ("patient_id", "version", "content")
_KNOWLEDGE = ("service", "version", "content")
_ONCE = "ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a decision was made on; `digest` is that of its findings and options."""

    patient_id: str
    record_version: int
    knowledge_version: str
    on: dt.date
    digest: str


class Archive:
    """Decisions and what they rest on, inside the transaction of `conn`; what is kept never changes."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def keep(self, at: str, decided: Iterable[Guidance], records: Iterable[PatientRecord]) -> None:
        """Decisions stored from the instant `at` on, and their records; those that are here stay."""
        rows = [
            (
                one.service, one.patient_id, one.record_version, one.knowledge_version, one.on.isoformat(),
                at, one.digest,
            )
            for one in decided
        ]  # fmt: skip
        insert_rows(self.conn, decision, _DECISION, rows, _ONCE)
        texts = [(one.patient_id, one.version, clinical_record.encode(one).decode()) for one in records]
        insert_rows(self.conn, record_version, _RECORD, texts, _ONCE)

    def bases(self, service: str, patient_id: str, at: str) -> list[Basis]:
        """What the service's decision rests on that stood for this patient at the instant `at`, and what the
        one before it; fewer where there were fewer, or where they are not kept.
        """
        of = decision.c
        query = (
            select(of.record_version, of.knowledge_version, of.on_date, of.digest)
            .where(of.service == service, of.patient_id == patient_id, of.decided_at <= at)
            .order_by(of.decided_at.desc(), of.record_version.desc(), of.on_date.desc())
            .limit(2)
        )
        return [Basis(patient_id, *row) for row in self.conn.execute(query)]

    def record(self, patient_id: str, version: int) -> PatientRecord | None:
        at = record_version.c
        query = select(at.content).where(at.patient_id == patient_id, at.version == version)
        content = self.conn.execute(query).scalar_one_or_none()
        return None if content is None else clinical_record.decode(content)

    def keep_knowledge(self, service: str, version: str, content: bytes) -> None:
        row = (service, version, content.decode())
        insert_rows(self.conn, knowledge_version, _KNOWLEDGE, [row], _ONCE)

    def knowledge(self, service: str, version: str) -> bytes | None:
        """The content under which a service kept that version of its knowledge."""
        at = knowledge_version.c
        query = select(at.content).where(at.service == service, at.version == version)
        content: str | None = self.conn.execute(query).scalar_one_or_none()
        return None if content is None else content.encode()
