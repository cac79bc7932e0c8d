"""Effects happen once: what a handler wrote and how far the consumer has come commit in one transaction."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, islice, takewhile
from typing import Any

import msgspec
from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects.postgresql import Insert

from isodose.events import contract
from isodose.events.contract import Event
from isodose.events.log import Delivered, EventLog, LogUnavailable, Subscription
from isodose.events.worker import Worker
from isodose.storage.database import Database, insert, is_transient
from isodose.storage.records import Records
from isodose.storage.tables import consumed_position, dead_letter
from isodose.telemetry import trace_id

Handler = Callable[[Any, Sequence[Event]], None]
"""Takes events of one topic in their order, all in one transaction: each is handled, or none."""
Buried = Callable[[Any, Sequence[str]], None]
"""Takes the keys of tombstones of one topic, in the transaction in which they are passed."""
Claims = Callable[[str], bytes]
"""Of a `dataref`: the data as JSON. Raises `LogUnavailable` when they cannot be had now."""

TOGETHER = 20
"""One transaction takes up to so many messages: round trips and commits are what costs."""

_log = logging.getLogger("isodose.events")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


class Consumer(Worker):
    """Reads the topics of `handlers` as `group` and hands the events to their handler, in order per key.

    `work` makes of a connection what the handlers are given. A handler that fails is tried `retries` times,
    `backoff` seconds apart and doubling; then the message becomes a dead letter and the next one is taken.
    While the database or the log is away nothing is given up: the same message waits. `committed` is called
    when effects have been committed. `member_of` is the log's group where it is another one than that of the
    positions. `at_end` tells whether all that the topics held at the last look was passed.
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
        committed: Callable[[], None] = lambda: None,
        member_of: str = "",
        buried: Mapping[str, Buried] | None = None,
    ) -> None:
        super().__init__(f"consumer {group}")
        self.at_end = False
        self._group = group
        self._member_of = member_of or group
        self._buried = buried or {}
        self._database = database
        self._log = log
        self._handlers = handlers
        self._work = work
        self._retries = max(1, retries)
        self._backoff = backoff
        self._claims = claims
        self._committed = committed
        self._pending: deque[Delivered] = deque()
        self._alone = 0
        self._subscription: Subscription | None = None

    def run_once(self, timeout_s: float = 0.5) -> int:
        """Take what has come, or wait for it; how many messages were passed. What fails stays first."""
        if not self._pending:
            if self._subscription is None:
                self._subscription = self._log.subscribe(
                    self._member_of, list(self._handlers), self._position
                )
            self._pending.extend(self._subscription.poll(timeout_s))
        passed = 0
        while self._pending and not self.stopping.is_set():
            passed += self._next()
        there = self._subscription is not None and self._subscription.at_end()
        self.at_end = there and not passed and not self._pending
        return passed

    def stop(self) -> None:
        super().stop()
        self.close()

    def close(self) -> None:
        """Leave the group; the next `run_once` joins it again at the committed positions."""
        subscription, self._subscription = self._subscription, None
        self._pending.clear()
        if subscription is not None:
            subscription.close()

    def lag(self) -> dict[str, int]:
        """By topic, how many messages of the partitions held here are not handled, as far as was seen."""
        subscription = self._subscription
        ends = subscription.ends() if subscription is not None else {}
        behind = dict.fromkeys(self._handlers, 0)
        if ends:
            with self._database.read() as conn:
                stands = positions(conn, self._group)
            for (topic, partition), end in ends.items():
                behind[topic] += max(end - stands.get((topic, partition), 0), 0)
        return behind

    def step(self) -> None:
        self.run_once()

    def recover(self) -> None:
        self.close()

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
        try:
            with self._database.begin() as conn:
                Records(conn).lock(*(one.key for one in messages if one.key is not None))
                fresh = advance(conn, self._group, messages)
                for topic, of_topic in groupby(fresh, key=lambda one: one.topic):
                    self._handle(conn, topic, list(of_topic))
        except Exception as error:
            if _passes(error):
                raise
            self._alone = len(messages)
            return 0
        self._committed()
        return len(messages)

    def _take(self, message: Delivered) -> None:
        attempt = 1
        while True:
            try:
                with self._database.begin() as conn:
                    if advance(conn, self._group, [message]):
                        self._handle(conn, message.topic, [message])
                self._committed()
                return
            except Exception as error:
                if _passes(error):
                    raise
                if attempt >= self._retries or isinstance(error, _UNREADABLE):
                    self._set_aside(message, error, attempt)
                    return
                _log.info("handling failed", extra=_place(message, attempt))
                if self.stopping.wait(self._backoff * 2 ** (attempt - 1)):
                    raise
                attempt += 1

    def _handle(self, conn: Connection, topic: str, messages: Sequence[Delivered]) -> None:
        handle(
            conn, messages, self._handlers[topic], self._work, self._claims, buried=self._buried.get(topic)
        )

    def _set_aside(self, message: Delivered, error: Exception, attempts: int) -> None:
        with self._database.begin() as conn:
            if not advance(conn, self._group, [message]):
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
        _log.error("event set aside", exc_info=error, extra=_place(message, attempts))


def _place(message: Delivered, attempt: int) -> dict[str, object]:
    """What a log line may say of a message: never its key, which is the patient."""
    return {
        "topic": message.topic,
        "attempt": attempt,
        "trace": trace_id(message.headers.get("traceparent")),
    }


def _passes(error: BaseException) -> bool:
    """Whether the cause is an outage, which is waited out and never the message's fault."""
    return is_transient(error) or isinstance(error, LogUnavailable | ConnectionError | TimeoutError)


def handle(
    conn: Connection,
    messages: Sequence[Delivered],
    handler: Handler,
    work: Callable[[Connection], Any],
    claims: Claims | None = None,
    *,
    buried: Buried | None = None,
) -> None:
    """Give the messages' events to the handler of their topic, and the keys of tombstones to `buried`."""
    for is_tombstone, some in groupby(messages, key=lambda one: one.value is None):
        if not is_tombstone:
            handler(work(conn), [_event(one.value, claims) for one in some if one.value is not None])
        elif buried is not None:
            buried(work(conn), [one.key for one in some if one.key is not None])


def _event(value: bytes, claims: Claims | None) -> Event:
    event = contract.decode(value)
    if event.dataref is None:
        return event
    if claims is None:
        raise ValueError(f"{event.type} came by claim check and no store to claim from is set")
    return msgspec.structs.replace(event, data=msgspec.Raw(claims(event.dataref)))


def position(conn: Connection, group: str, topic: str, partition: int) -> int | None:
    """The offset this group reads next; None when it has read nothing."""
    at = consumed_position.c
    query = select(at.next_offset).where(at.group == group, at.topic == topic, at.partition == partition)
    return conn.execute(query).scalar_one_or_none()


def positions(conn: Connection, group: str) -> dict[tuple[str, int], int]:
    """The offsets this group reads next, by topic and partition."""
    at = consumed_position.c
    query = select(at.topic, at.partition, at.next_offset).where(at.group == group)
    return {(topic, partition): offset for topic, partition, offset in conn.execute(query)}


class PositionMoved(Exception):  # noqa: N818
    """Another member of the group took the same messages at this moment; the same may be tried again."""


def advance(conn: Connection, group: str, messages: Sequence[Delivered]) -> list[Delivered]:
    """Move the group past the messages, holding its positions until commit; those it was not past yet.

    Messages of one partition come in order of offset.
    """
    at = consumed_position.c
    reached = {(one.topic, one.partition): one.offset + 1 for one in messages}
    places = tuple_(at.topic, at.partition).in_(sorted(reached))
    held = select(at.topic, at.partition, at.next_offset).where(at.group == group, places)
    held = held.order_by(at.topic, at.partition).with_for_update()
    stood = {(topic, partition): offset for topic, partition, offset in conn.execute(held)}
    moved = [
        {"group": group, "topic": topic, "partition": partition, "next_offset": offset}
        for (topic, partition), offset in sorted(reached.items())
        if offset > stood.get((topic, partition), 0)
    ]
    if moved and conn.execute(_moving(conn, moved)).rowcount != len(moved):
        raise PositionMoved(group)
    return [one for one in messages if one.offset >= stood.get((one.topic, one.partition), 0)]


def _moving(conn: Connection, positions: Sequence[Mapping[str, Any]]) -> Insert:
    at = consumed_position.c
    statement = insert(conn, consumed_position).values(positions)
    return statement.on_conflict_do_update(
        index_elements=[at.group, at.topic, at.partition],
        set_={"next_offset": statement.excluded.next_offset},
        where=at.next_offset < statement.excluded.next_offset,
    )
