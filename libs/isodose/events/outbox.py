"""Nothing is lost between commit and publish: events wait in the database until the log has them.

https://microservices.io/patterns/data/transactional-outbox.html
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from sqlalchemy import Connection, bindparam, delete, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from isodose.events.contract import Event, encode
from isodose.events.log import EventLog, LogUnavailable, Record
from isodose.storage.database import Database
from isodose.storage.tables import outbox

_log = logging.getLogger(__name__)
_RELAY_LOCK = 0x150D05F
_BATCH = 500
_KEPT = dt.timedelta(days=7)
_PRUNE_EVERY_S = 3600.0
_PAUSE_S = 1.0


class Outbox:
    """Events of one transaction, published after its commit in the order of their rows."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def add(self, topic: str, key: str | None, event: Event) -> None:
        headers = {"traceparent": event.traceparent} if event.traceparent else {}
        self.conn.execute(
            outbox.insert().values(
                topic=topic,
                key=key,
                value=encode(event),
                headers=orjson.dumps(headers).decode(),
                created_at=dt.datetime.now(dt.UTC),
            )
        )


class Relay:
    """Publishes outbox rows in order and marks those the log acknowledged; one works per database."""

    def __init__(self, database: Database, log: EventLog, poll_s: float = 0.05) -> None:
        self._database = database
        self._event_log = log
        self._poll_s = poll_s
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> int:
        """Publish one batch; how many rows. 0 also while another relay works on this database.

        Raises `LogUnavailable`; the rows then stay as they are and are published again later.
        """
        with self._only_one() as mine:
            if not mine:
                return 0
            with self._database.read() as conn:
                rows = conn.execute(
                    select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.seq).limit(_BATCH)
                ).all()
            if not rows:
                return 0
            self._event_log.publish([Record(r.topic, r.key, r.value, orjson.loads(r.headers)) for r in rows])
            with self._database.begin() as conn:
                mark = update(outbox).where(outbox.c.seq == bindparam("row"))
                now = dt.datetime.now(dt.UTC)
                conn.execute(mark.values(published_at=now), [{"row": row.seq} for row in rows])
            return len(rows)

    def prune(self) -> None:
        """Forget rows that were published long ago."""
        with self._database.begin() as conn:
            conn.execute(delete(outbox).where(outbox.c.published_at < dt.datetime.now(dt.UTC) - _KEPT))

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Look at once; call it after a commit."""
        self._woken.set()

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        pruned = 0.0
        while not self._stopping.is_set():
            try:
                if self.run_once() == _BATCH:
                    continue
                pruned -= self._poll_s
                if pruned <= 0:
                    self.prune()
                    pruned = _PRUNE_EVERY_S
                self._woken.wait(self._poll_s)
                self._woken.clear()
            except (LogUnavailable, SQLAlchemyError):
                _log.warning("the outbox waits: the log or the database is away", exc_info=True)
                self._stopping.wait(_PAUSE_S)

    @contextmanager
    def _only_one(self) -> Iterator[bool]:
        if self._database.dialect == "sqlite":
            yield True
            return
        with self._database.engine.connect() as conn:
            mine = bool(
                conn.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _RELAY_LOCK}).scalar()
            )
            try:
                yield mine
            finally:
                if mine:
                    conn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _RELAY_LOCK})
                conn.rollback()
