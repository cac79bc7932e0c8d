"""How far a service has come on a day: which patients it has renewed, kept in one row until all are done."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from isodose.storage.database import insert
from isodose.storage.tables import day_pass


@dataclass(frozen=True, slots=True)
class DayPass:
    """One pass over the patients whose answer may differ on the day `on`, or rests on other knowledge.

    Patients are taken in order of id; up to `after` all are done. `failed` are those on whom nothing could be
    decided. `finished_at` is None while the pass goes on.
    """

    service: str
    on: dt.date
    knowledge_version: str
    after: str
    failed: int
    begun_at: dt.datetime
    finished_at: dt.datetime | None
    traceparent: str | None

    def waited(self, now: dt.datetime) -> dt.timedelta:
        """How long the pass has been going on; nothing once it is finished."""
        if self.finished_at is not None:
            return dt.timedelta()
        begun = self.begun_at
        return max(now - begun.replace(tzinfo=begun.tzinfo or dt.UTC), dt.timedelta())


class DayPasses:
    """The pass of each service, inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def begin(
        self, service: str, on: dt.date, knowledge_version: str, traceparent: str | None = None
    ) -> None:
        """Go through all patients from the first on, for this day; never for an earlier one than the last."""
        last = self.get(service)
        row = {
            "service": service,
            "on_date": max(on, last.on) if last else on,
            "knowledge_version": knowledge_version,
            "after_patient": "",
            "failed": 0,
            "begun_at": dt.datetime.now(dt.UTC),
            "finished_at": None,
            "traceparent": traceparent,
        }
        statement = insert(self.conn, day_pass).values(row)
        changed = {name: statement.excluded[name] for name in row if name != "service"}
        self.conn.execute(statement.on_conflict_do_update(index_elements=[day_pass.c.service], set_=changed))

    def get(self, service: str) -> DayPass | None:
        return self._one(service, lock=False)

    def take(self, service: str) -> DayPass | None:
        """The unfinished pass, held until commit; None where there is none or another replica holds it."""
        found = self._one(service, lock=True)
        return found if found is not None and found.finished_at is None else None

    def move(self, service: str, after: str, failed: int = 0) -> None:
        """All patients up to `after` are done; `failed` more of them could not be."""
        at = day_pass.c
        moved = update(day_pass).where(at.service == service)
        self.conn.execute(moved.values(after_patient=after, failed=at.failed + failed))

    def finish(self, service: str) -> None:
        done = update(day_pass).where(day_pass.c.service == service)
        self.conn.execute(done.values(finished_at=dt.datetime.now(dt.UTC)))

    def _one(self, service: str, *, lock: bool) -> DayPass | None:
        query = select(day_pass).where(day_pass.c.service == service)
        if lock:
            query = query.with_for_update(skip_locked=True)
        row = self.conn.execute(query).one_or_none()
        if row is None:
            return None
        return DayPass(
            service=row.service,
            on=row.on_date,
            knowledge_version=row.knowledge_version,
            after=row.after_patient,
            failed=row.failed,
            begun_at=row.begun_at,
            finished_at=row.finished_at,
            traceparent=row.traceparent,
        )
