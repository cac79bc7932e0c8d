"""Effects happen once: what a handler wrote and how far the consumer has come commit in one transaction."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice, takewhile
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from isodose.events import contract
from isodose.events.contract import Event
from isodose.events.log import Delivered, EventLog, LogUnavailable, Subscription
from isodose.events.worker import Worker
from isodose.storage.database import Database, insert, is_transient
from isodose.storage.records import Records
from isodose.storage.tables import consumed_position, dead_letter

Handler = Callable[[Any, Event], None]
Claims = Callable[[str], bytes]
"""Of a `dataref`: the data as JSON. Raises `LogUnavailable` when they cannot be had now."""

TOGETHER = 50
TOGETHER_S = 0.05
"""One transaction takes up to so many messages and starts none after so long: commits are what costs."""

_log = logging.getLogger("isodose.events")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


class Consumer:
    """Reads the topics of `handlers` as `group` and hands each event to its handler, in order per key.

    `work` makes of a connection what the handlers are given. A handler that fails is tried `retries` times,
    `backoff` seconds apart and doubling; then the message becomes a dead letter and the next one is taken.
    While the database or the log is away nothing is given up: the same message waits.
    """

    def __init__(  # noqa: PLR0917
        self,
        group: str,
        database: Database,
        log: EventLog,
        handlers: Mapping[str, Handler],
        work: Callable[[Connection], Any],
        retries: int = 3,
        backoff: float = 0.1,
        claims: Claims | None = None,
    ) -> None:
        self._group = group
        self._database = database
        self._log = log
        self._handlers = handlers
        self._work = work
        self._retries = max(1, retries)
        self._backoff = backoff
        self._claims = claims
        self._pending: deque[Delivered] = deque()
        self._alone = 0
        self._subscription: Subscription | None = None
        self._worker = Worker(f"consumer {group}", self._step, self.close)

    def run_once(self, timeout_s: float = 0.5) -> int:
        """Take what has come, or wait for it; how many messages were passed. What fails stays first."""
        if not self._pending:
            if self._subscription is None:
                self._subscription = self._log.subscribe(self._group, list(self._handlers), self._position)
            self._pending.extend(self._subscription.poll(timeout_s))
        passed = 0
        while self._pending and not self._worker.stopping.is_set():
            passed += self._next()
        return passed

    def start(self) -> None:
        self._worker.start()

    def stop(self) -> None:
        self._worker.stop()
        self.close()

    def close(self) -> None:
        """Leave the group; the next `run_once` joins it again at the committed positions."""
        subscription, self._subscription = self._subscription, None
        self._pending.clear()
        if subscription is not None:
            subscription.close()

    def is_alive(self) -> bool:
        return self._worker.alive

    @property
    def last_error(self) -> str | None:
        return self._worker.last_error

    def _step(self) -> None:
        self.run_once()

    def _position(self, topic: str, partition: int) -> int | None:
        with self._database.read() as conn:
            return position(conn, self._group, topic, partition)

    def _next(self) -> int:
        """Pass what stands first: several messages in one transaction, or one alone after a failure."""
        together = list(islice(takewhile(lambda one: one.key is not None, self._pending), TOGETHER))
        taken = self._take_together(together) if len(together) > 1 and not self._alone else 0
        if not taken:
            self._alone = max(self._alone - 1, 0)
            self._take(self._pending[0])
            taken = 1
        for _ in range(taken):
            self._pending.popleft()
        return taken

    def _take_together(self, messages: list[Delivered]) -> int:
        """How many took effect in one transaction; 0 when one failed and all are to be taken alone."""
        taken = 0
        try:
            with self._database.begin() as conn:
                Records(conn).lock(*(one.key for one in messages if one.key is not None))
                until = time.monotonic() + TOGETHER_S
                for message in messages:
                    if advance(conn, self._group, message):
                        self._handle(conn, message)
                    taken += 1
                    if time.monotonic() > until:
                        break
        except Exception as error:
            if _passes(error):
                raise
            self._alone = len(messages)
            return 0
        return taken

    def _take(self, message: Delivered) -> None:
        attempt = 1
        while True:
            try:
                with self._database.begin() as conn:
                    if advance(conn, self._group, message):
                        self._handle(conn, message)
                return
            except Exception as error:
                if _passes(error):
                    raise
                if attempt >= self._retries or isinstance(error, _UNREADABLE):
                    self._set_aside(message, error, attempt)
                    return
                _log.info("handling failed", extra={"topic": message.topic, "attempt": attempt})
                if self._worker.stopping.wait(self._backoff * 2 ** (attempt - 1)):
                    raise
                attempt += 1

    def _handle(self, conn: Connection, message: Delivered) -> None:
        handle(conn, message, self._handlers[message.topic], self._work, self._claims)

    def _set_aside(self, message: Delivered, error: Exception, attempts: int) -> None:
        with self._database.begin() as conn:
            if not advance(conn, self._group, message):
                return
            conn.execute(
                insert(conn, dead_letter).on_conflict_do_nothing(),
                {
                    "group": self._group,
                    "topic": message.topic,
                    "partition": message.partition,
                    "offset": message.offset,
                    "key": message.key,
                    "value": message.value,
                    "headers": json.dumps(dict(message.headers)),
                    "error": f"{type(error).__name__}: {error}"[:2000],
                    "attempts": attempts,
                    "failed_at": dt.datetime.now(dt.UTC),
                },
            )
        _log.error("event set aside", exc_info=error, extra={"topic": message.topic, "attempt": attempts})


def _passes(error: BaseException) -> bool:
    """Whether the cause is an outage, which is waited out and never the message's fault."""
    return is_transient(error) or isinstance(error, LogUnavailable | ConnectionError | TimeoutError)


def handle(
    conn: Connection,
    message: Delivered,
    handler: Handler,
    work: Callable[[Connection], Any],
    claims: Claims | None = None,
) -> None:
    """Give the message's event to the handler; a tombstone holds none and needs no handling."""
    if message.value is None:
        return
    event = contract.decode(message.value)
    if event.dataref is not None:
        if claims is None:
            raise ValueError(f"{event.type} came by claim check and no store to claim from is set")
        event = msgspec.structs.replace(event, data=msgspec.Raw(claims(event.dataref)))
    handler(work(conn), event)


def position(conn: Connection, group: str, topic: str, partition: int) -> int | None:
    """The offset this group reads next; None when it has read nothing."""
    at = consumed_position.c
    query = select(at.next_offset).where(at.group == group, at.topic == topic, at.partition == partition)
    return conn.execute(query).scalar_one_or_none()


def advance(conn: Connection, group: str, message: Delivered) -> bool:
    """Move the group past the message, holding the position's row until commit; False when it was past it."""
    statement = insert(conn, consumed_position).values(
        group=group, topic=message.topic, partition=message.partition, next_offset=message.offset + 1
    )
    at = consumed_position.c
    statement = statement.on_conflict_do_update(
        index_elements=[at.group, at.topic, at.partition],
        set_={"next_offset": statement.excluded.next_offset},
        where=at.next_offset < statement.excluded.next_offset,
    )
    return conn.execute(statement).rowcount == 1
