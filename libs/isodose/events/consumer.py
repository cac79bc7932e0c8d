"""Effects happen once: the position in the log commits in the same transaction as what an event caused.

A message that cannot be handled is set aside after bounded retries; those after it go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from isodose.events.contract import Event, decode
from isodose.events.dead_letters import set_aside
from isodose.events.log import Delivered, EventLog, LogUnavailable, Subscription
from isodose.storage.database import Database, insert, is_transient
from isodose.storage.tables import consumed_position

_log = logging.getLogger(__name__)
_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 10.0

Handler = Callable[[Any, Event], None]


class Consumer:
    """One member of the group `group`. `handlers` are by topic; `work` makes a transaction's work of its
    connection; `retries` is how often an event is tried, `backoff` the first pause in seconds, then doubling.
    """

    def __init__(
        self,
        *,
        group: str,
        database: Database,
        log: EventLog,
        handlers: Mapping[str, Handler],
        work: Callable[[Connection], Any],
        retries: int = 5,
        backoff: float = 0.2,
    ) -> None:
        self._group = group
        self._database = database
        self._event_log = log
        self._handlers = handlers
        self._work = work
        self._retries = retries
        self._backoff = backoff
        self._subscription: Subscription | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self, timeout: float = 0.2) -> int:
        """Handle what the log gives within `timeout` seconds; how many events."""
        if self._subscription is None:
            self._subscription = self._event_log.subscribe(self._group, list(self._handlers), self._position)
        delivered = self._subscription.poll(timeout)
        for one in delivered:
            if self._stopping.is_set():
                self._resubscribe()
                break
            self._handle(one)
        return len(delivered)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"consumer-{self._group}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._resubscribe()

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_once()
            except (LogUnavailable, SQLAlchemyError):
                _log.warning("events wait: the log or the database is away", exc_info=True)
                self._resubscribe()
                self._stopping.wait(_PAUSE_S)

    def _resubscribe(self) -> None:
        """Give the subscription back; the next one begins at the positions in the database."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _position(self, topic: str, partition: int) -> int | None:
        with self._database.read() as conn:
            return _next(conn, self._group, topic, partition)

    def _handle(self, one: Delivered) -> None:
        """Try until it is done, set aside, or found done already. A database that is away is waited for."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                self._try(one)
            except Exception as error:
                if is_transient(error):
                    _log.warning("an event waits for the database", extra={"topic": one.topic})
                    self._stopping.wait(_PAUSE_S)
                    continue
                attempt += 1
                if attempt >= self._retries:
                    self._set_aside(one, error, attempt)
                    return
                self._stopping.wait(min(self._backoff * 2 ** (attempt - 1), _LONGEST_PAUSE_S))
            else:
                return

    def _try(self, one: Delivered) -> None:
        with self._database.begin() as conn:
            if not _advance(conn, self._group, one):
                return
            if one.value is not None:
                self._handlers[one.topic](self._work(conn), decode(one.value))

    def _set_aside(self, one: Delivered, error: Exception, attempts: int) -> None:
        _log.error("an event was set aside", extra={"topic": one.topic, "attempt": attempts}, exc_info=error)
        with self._database.begin() as conn:
            if _advance(conn, self._group, one):
                set_aside(conn, self._group, one, error, attempts)


def _next(conn: Connection, group: str, topic: str, partition: int) -> int | None:
    at = consumed_position.c
    query = select(at.next_offset).where(at.group == group, at.topic == topic, at.partition == partition)
    return conn.execute(query).scalar_one_or_none()


def _advance(conn: Connection, group: str, one: Delivered) -> bool:
    """Move the position past the event; False when it is past it already."""
    statement = insert(conn, consumed_position).values(
        group=group, topic=one.topic, partition=one.partition, next_offset=one.offset + 1
    )
    at = consumed_position.c
    statement = statement.on_conflict_do_update(
        index_elements=[at.group, at.topic, at.partition],
        set_={"next_offset": statement.excluded.next_offset},
        where=at.next_offset < statement.excluded.next_offset,
    )
    return conn.execute(statement).rowcount == 1
