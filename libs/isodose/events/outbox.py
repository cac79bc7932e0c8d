"""Events leave with the transaction that caused them: a row committed with the effects, published by a relay.

https://microservices.io/patterns/data/transactional-outbox.html
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from isodose.events import contract
from isodose.events.contract import CONTENT_TYPE, Event
from isodose.events.lease import lease_of
from isodose.events.log import EventLog, LogUnavailable, Record
from isodose.events.worker import Worker
from isodose.storage.database import Database
from isodose.storage.tables import outbox

BATCH = 500
LARGEST_BYTES = 1_000_000
KEEP_PUBLISHED = dt.timedelta(days=1)
PRUNE_EVERY_S = 600.0
DRAIN_S = 5.0
"""A relay that is stopped goes on for at most so long with what was committed before."""


_PUT = outbox.insert().inline()
_UNSENT = select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.seq).limit(BATCH)
_MARK = (
    update(outbox)
    .where(outbox.c.seq.in_(bindparam("sent", expanding=True)))
    .values(published_at=bindparam("moment"))
)

Published = Callable[[Sequence[Record], Sequence[dt.datetime], int], None]
"""Told of records that the log acknowledged, when each was put in the outbox, and when sending began (ns)."""


class EventTooLarge(ValueError):  # noqa: N818
    """An event the log would refuse; refused before it is committed, so that it never blocks the others."""


class Outbox:
    """Takes events inside the transaction of `conn`.

    Events of one patient keep their order when the patient is locked (`Records.lock`) before the first `add`.
    """

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def add(self, topic: str, key: str | None, event: Event) -> None:
        self.add_all(topic, [(key, event)])

    def add_all(self, topic: str, events: Sequence[tuple[str | None, Event]]) -> None:
        """The events with their keys, in this order. Raises `EventTooLarge`, and then adds none."""
        if topic not in contract.TOPICS:
            raise ValueError(f"no topic {topic!r}: known are {', '.join(contract.TOPICS)}")
        rows = [_row(topic, key, event) for key, event in events]
        if rows:
            self.conn.execute(_PUT, rows)

    def is_behind(self, many: int) -> bool:
        """Whether more than `many` rows wait for the log."""
        unsent = select(outbox.c.seq).where(outbox.c.published_at.is_(None)).order_by(outbox.c.seq)
        return self.conn.execute(unsent.offset(many).limit(1)).first() is not None

    def bury(self, topic: str, key: str) -> None:
        """Leave a tombstone: a compacted topic forgets what it holds under this key."""
        row = {
            "topic": topic,
            "key": key,
            "value": None,
            "headers": "{}",
            "created_at": dt.datetime.now(dt.UTC),
        }
        self.conn.execute(outbox.insert(), row)


def _row(topic: str, key: str | None, event: Event) -> dict[str, Any]:
    value = contract.encode(event)
    if len(value) > LARGEST_BYTES:
        raise EventTooLarge(f"{event.type} has {len(value)} bytes; the log takes {LARGEST_BYTES}")
    headers = {"content-type": CONTENT_TYPE}
    if event.traceparent:
        headers["traceparent"] = event.traceparent
    return {
        "topic": topic,
        "key": key,
        "value": value,
        "headers": json.dumps(headers),
        "created_at": dt.datetime.now(dt.UTC),
    }


def waiting(conn: Connection) -> tuple[int, dt.timedelta]:
    """How many rows are not yet acknowledged, and how long the first of them has waited."""
    unsent = outbox.c.published_at.is_(None)
    many = conn.execute(select(func.count()).select_from(outbox).where(unsent)).scalar_one()
    oldest = select(outbox.c.created_at).where(unsent).order_by(outbox.c.seq).limit(1)
    since: dt.datetime | None = conn.execute(oldest).scalar_one_or_none()
    if since is None:
        return many, dt.timedelta()
    return many, max(dt.datetime.now(dt.UTC) - since.replace(tzinfo=since.tzinfo or dt.UTC), dt.timedelta())


def _untold(_records: Sequence[Record], _created: Sequence[dt.datetime], _started_ns: int) -> None:
    pass


class Relay(Worker):
    """Publishes what is in the outbox, in order; a row is marked only after the log acknowledged it.

    One relay of a database works at a time; another waits its turn. What was published but not yet marked
    when a relay dies is published again: at least once. `published` is told of what the log acknowledged.
    """

    def __init__(
        self, database: Database, log: EventLog, poll_s: float = 0.05, published: Published = _untold
    ) -> None:
        super().__init__("relay")
        self._database = database
        self._log = log
        self._poll_s = poll_s
        self._published = published
        self._lease = lease_of(database, "relay")
        self._pruned = time.monotonic()

    def run_once(self) -> int:
        """Publish one batch; how many. 0 also while another relay has its turn."""
        if not self._lease.acquire():
            return 0
        with (
            self._lease.transaction()
            if self._database.dialect == "postgresql"
            else self._database.read() as conn
        ):
            rows = conn.execute(_UNSENT).all()
        if not rows:
            return 0
        records = [Record(row.topic, row.key, row.value, json.loads(row.headers)) for row in rows]
        started_ns = time.time_ns()
        self._log.publish(records)
        self._published(records, [row.created_at for row in rows], started_ns)
        with self._lease.transaction() as conn:
            conn.execute(_MARK, {"sent": [row.seq for row in rows], "moment": dt.datetime.now(dt.UTC)})
        return len(rows)

    def prune(self, keep: dt.timedelta = KEEP_PUBLISHED) -> int:
        """Remove rows published longer ago than `keep`."""
        with self._database.begin() as conn:
            old = delete(outbox).where(outbox.c.published_at < dt.datetime.now(dt.UTC) - keep)
            return conn.execute(old).rowcount

    def stop(self) -> None:
        """Publish what waits, unless the log is away, and end; what is not published stays in the outbox."""
        super().stop()
        if not self.is_alive() and self.last_error is None:
            self._drain()
        self._lease.release()

    def _drain(self) -> None:
        until = time.monotonic() + DRAIN_S
        with contextlib.suppress(LogUnavailable, SQLAlchemyError):
            while time.monotonic() < until and self.run_once():
                pass

    def recover(self) -> None:
        self._lease.release()

    def step(self) -> None:
        if self.run_once() == BATCH:
            return
        if time.monotonic() - self._pruned > PRUNE_EVERY_S:
            self._pruned = time.monotonic()
            self.prune()
        self.rest(self._poll_s)
