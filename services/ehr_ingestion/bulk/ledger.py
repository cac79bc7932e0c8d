"""How far each export has come, in the database of its resources: a run that was killed goes on from there.

Every step commits together with what it did, so it is neither done twice nor left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ehr_ingestion.bulk.manifest import Kind, Manifest
from ehr_ingestion.outcomes import Outcome
from isodose.storage.insertion import insert_rows
from isodose.storage.tables import bulk_export, bulk_file, bulk_line, bulk_patient

State = Literal["waiting", "loading", "done", "dropped"]
_COUNTS = ("accepted", "changed", "unchanged")


@dataclass(frozen=True, slots=True)
class Export:
    id: int
    state: State
    status_url: str
    since: str | None
    transaction_time: str | None
    needs_token: bool
    started_at: datetime


@dataclass(frozen=True, slots=True)
class File:
    """One file and how far it is read: `offset` in bytes, `lines` read; `refused` counts lines."""

    number: int
    kind: Kind
    type: str
    url: str
    etag: str = ""
    offset: int = 0
    lines: int = 0
    accepted: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class SetAside:
    """A line that was not kept. `text` is the line while it waits for what it refers to."""

    file: int
    line: int
    place: str
    reason: str
    text: bytes | None = None


class Ledger:
    """The exports of one database, inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def unfinished(self, feed: str) -> Export | None:
        """The export of this feed that was begun and not ended."""
        at = bulk_export.c
        query = select(bulk_export).where(at.feed == feed, at.state.in_(("waiting", "loading")))
        row = self.conn.execute(query.order_by(at.id.desc()).limit(1)).first()
        return None if row is None else _as_export(row)

    def last_time(self, feed: str) -> str | None:
        """The instant whose state the last finished export of this feed gave."""
        at = bulk_export.c
        query = select(at.transaction_time).where(at.feed == feed, at.state == "done")
        return self.conn.execute(query.order_by(at.id.desc()).limit(1)).scalar()

    def begin(self, feed: str, status_url: str, since: str | None) -> Export:
        now = datetime.now(UTC)
        values = {
            "feed": feed,
            "state": "waiting",
            "status_url": status_url,
            "since": since,
            "started_at": now,
        }
        made = insert(bulk_export).values(**values, needs_token=False).returning(bulk_export.c.id)
        id = self.conn.execute(made).scalar_one()
        return Export(id, "waiting", status_url, since, None, False, now)

    def list_files(self, export: Export, manifest: Manifest) -> Export:
        """Take over the files of the manifest; of those listed before, only the addresses."""
        links = manifest.links()
        listed = self.files(export)
        for file, link in zip(listed, links, strict=False):
            self._set(export, file.number, url=link.url)
        columns = ("export", "number", "kind", "type", "url")
        rows = [
            (export.id, n, link.kind, link.type, link.url) for n, link in enumerate(links) if n >= len(listed)
        ]
        insert_rows(self.conn, bulk_file, columns, rows)
        known = replace(
            export,
            state="loading",
            transaction_time=manifest.transaction_time,
            needs_token=manifest.requires_access_token,
        )
        values = {name: getattr(known, name) for name in ("state", "transaction_time", "needs_token")}
        self.conn.execute(update(bulk_export).where(bulk_export.c.id == export.id).values(values))
        return known

    def files(self, export: Export) -> list[File]:
        at, line = bulk_file.c, bulk_line.c
        aside = select(func.count()).where(line.export == at.export, line.file == at.number).scalar_subquery()
        query = select(bulk_file, aside.label("refused")).where(at.export == export.id).order_by(at.number)
        return [_as_file(row) for row in self.conn.execute(query)]

    def advance(
        self, export: Export, file: File, outcomes: Sequence[Outcome], aside: Sequence[SetAside]
    ) -> File:
        """Note that the file is read up to here, what became of its lines, and what was not kept."""
        counts = {name: getattr(file, name) + _count(outcomes, name) for name in _COUNTS}
        reached = replace(file, **counts)
        place = {"offset": file.offset, "lines": file.lines, "done": file.done, "etag": file.etag}
        self._set(export, file.number, **place, **counts)
        columns = ("export", "file", "line", "place", "reason", "text")
        rows = [
            (export.id, one.file, one.line, one.place, one.reason, one.text and one.text.decode())
            for one in aside
        ]
        insert_rows(self.conn, bulk_line, columns, rows)
        return reached

    def restart(self, export: Export, file: File) -> File:
        """Forget how far the file was read: it is another one now."""
        nothing = {"offset": 0, "lines": 0, "done": False, "etag": "", **dict.fromkeys(_COUNTS, 0)}
        self._set(export, file.number, **nothing)
        line = bulk_line.c
        self.conn.execute(delete(bulk_line).where(line.export == export.id, line.file == file.number))
        return File(file.number, file.kind, file.type, file.url)

    def waiting(self, export: Export, after: tuple[int, int], limit: int) -> list[SetAside]:
        """Lines that wait for what they refer to, in order."""
        at = bulk_line.c
        behind = (at.file > after[0]) | ((at.file == after[0]) & (at.line > after[1]))
        query = select(bulk_line).where(at.export == export.id, at.text.is_not(None), behind)
        rows = self.conn.execute(query.order_by(at.file, at.line).limit(limit))
        return [SetAside(row.file, row.line, row.place, row.reason, row.text.encode()) for row in rows]

    def take_back(self, export: Export, line: SetAside, outcome: Outcome) -> None:
        """A line that waited has been kept after all."""
        at, counted = bulk_line.c, bulk_file.c[outcome.became]
        this = (at.export == export.id) & (at.file == line.file) & (at.line == line.line)
        self.conn.execute(delete(bulk_line).where(this))
        self._set(export, line.file, **{outcome.became: counted + 1})

    def give_up_waiting(self, export: Export) -> None:
        at = bulk_line.c
        self.conn.execute(update(bulk_line).where(at.export == export.id).values(text=None))

    def set_aside(self, export: Export, limit: int) -> list[SetAside]:
        at = bulk_line.c
        query = select(bulk_line).where(at.export == export.id).order_by(at.file, at.line).limit(limit)
        return [SetAside(r.file, r.line, r.place, r.reason) for r in self.conn.execute(query)]

    def touch(self, export: Export, patients: Iterable[str]) -> None:
        """These patients' records have to follow."""
        rows = [(export.id, one) for one in sorted(patients)]
        insert_rows(self.conn, bulk_patient, ("export", "patient_id"), rows, "ON CONFLICT DO NOTHING")

    def touched(self, export: Export, limit: int) -> list[str]:
        at = bulk_patient.c
        query = select(at.patient_id).where(at.export == export.id).order_by(at.patient_id).limit(limit)
        return list(self.conn.execute(query).scalars())

    def followed(self, export: Export, patients: Sequence[str]) -> None:
        at = bulk_patient.c
        done = delete(bulk_patient).where(at.export == export.id, at.patient_id.in_(patients))
        self.conn.execute(done)

    def finish(self, export: Export, state: Literal["done", "dropped"]) -> None:
        this = update(bulk_export).where(bulk_export.c.id == export.id)
        self.conn.execute(this.values(state=state, finished_at=datetime.now(UTC)))

    def _set(self, export: Export, number: int, **values: Any) -> None:
        at = bulk_file.c
        this = update(bulk_file).where(at.export == export.id, at.number == number)
        self.conn.execute(this.values(**values))


def _count(outcomes: Sequence[Outcome], became: str) -> int:
    return sum(outcome.became == became for outcome in outcomes)


def _as_export(row: Row[Any]) -> Export:
    return Export(
        row.id, row.state, row.status_url, row.since, row.transaction_time, row.needs_token, row.started_at
    )


def _as_file(row: Row[Any]) -> File:
    return File(
        row.number, row.kind, row.type, row.url, row.etag, row.offset, row.lines, row.accepted, row.changed,
        row.unchanged, row.refused, row.done,
    )  # fmt: skip
