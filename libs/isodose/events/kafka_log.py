"""The event log on Apache Kafka; nothing else in the platform knows the client.

https://kafka.apache.org/documentation/#design
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from isodose.events import kafka_topics
from isodose.events.contract import Topic
from isodose.events.kafka_access import KafkaAccess, made
from isodose.events.log import Applied, Delivered, LogUnavailable, PositionBeyondEnd, Record, Start

REQUEST_MS = 10_000
DELIVERY_MS = 20_000
CHECK_EVERY_S = 5.0
UNACKNOWLEDGED_MS = 10_000
SOCKETS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    *([(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)] if sys.platform == "linux" else []),
]
"""What cannot be sent, the network being cut, is dropped by the system well before `DELIVERY_MS`. Sent later,
after the relay published it and what is newer by another connection, it would be what compaction keeps.
"""


class KafkaLog:
    """The topics of one platform on one cluster, under `prefix`."""

    def __init__(
        self,
        servers: Sequence[str],
        topics: Iterable[Topic],
        prefix: str = "",
        access: KafkaAccess | None = None,
    ) -> None:
        self.servers = list(servers)
        self.topics = {topic.name: topic for topic in topics}
        self.prefix = prefix
        self.access = access or KafkaAccess()
        self._lock = threading.Lock()
        self._producer: Any = None
        self._ensured = False
        self._checked = -CHECK_EVERY_S

    def publish(self, records: Sequence[Record]) -> None:
        if not records:
            return
        with self._lock:
            try:
                with _as_unavailable():
                    self._publish(records)
            except LogUnavailable:
                self._drop_producer()
                raise

    def subscribe(self, group: str, topics: Sequence[str], start: Start) -> KafkaSubscription:
        with _as_unavailable():
            self.ensure_topics()
            return KafkaSubscription(self, group, topics, start)

    def ensure_topics(self) -> None:
        if self._ensured:
            return
        with self._admin() as admin:
            new = kafka_topics.missing(admin, self.topics.values(), self.prefix)
            kafka_topics.make(admin, new, self.prefix)
        self._ensured = True

    def apply_topics(self, replication: int | None = None) -> list[Applied]:
        with self._admin() as admin:
            applied = kafka_topics.apply(admin, self.topics.values(), self.prefix, replication)
        self._ensured = True
        return applied

    def check(self) -> None:
        if time.monotonic() - self._checked < CHECK_EVERY_S:
            return
        with self._admin(request_timeout_ms=3000, bootstrap_timeout_ms=3000) as admin:
            admin.list_topics()
        self._checked = time.monotonic()

    def close(self) -> None:
        with self._lock:
            self._drop_producer()

    def _publish(self, records: Sequence[Record]) -> None:
        if self._producer is None:
            self.ensure_topics()
            self._producer, _ = made(
                KafkaProducer,
                bootstrap_servers=self.servers,
                acks="all",
                enable_idempotence=True,
                linger_ms=1,
                compression_type="zstd",
                request_timeout_ms=REQUEST_MS,
                delivery_timeout_ms=DELIVERY_MS,
                max_block_ms=REQUEST_MS,
                socket_options=SOCKETS,
                **self.access.options(),
            )
        sent = [
            self._producer.send(
                self.prefix + record.topic,
                key=None if record.key is None else record.key.encode(),
                value=record.value,
                headers=[(name, text.encode()) for name, text in record.headers.items()],
            )
            for record in records
        ]
        self._producer.flush(timeout=DELIVERY_MS / 1000)
        for future in sent:
            future.get(timeout=DELIVERY_MS / 1000)

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError):
                producer.close(timeout=2)

    @contextmanager
    def _admin(self, **times: int) -> Iterator[KafkaAdminClient]:
        with _as_unavailable():
            told = {"request_timeout_ms": REQUEST_MS, **times, **self.access.options()}
            admin, _ = made(KafkaAdminClient, bootstrap_servers=self.servers, **told)
            try:
                yield admin
            finally:
                admin.close()


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a group. A partition that is assigned is paused until sought to its position."""

    def __init__(self, log: KafkaLog, group: str, topics: Sequence[str], start: Start) -> None:
        self._prefix = log.prefix
        self._start = start
        self._fresh: set[TopicPartition] = set()
        self._ends: dict[tuple[str, int], int] = {}
        self._at_end = False
        self._consumer, self._net = made(
            KafkaConsumer,
            bootstrap_servers=log.servers,
            group_id=log.prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            request_timeout_ms=REQUEST_MS,
            session_timeout_ms=REQUEST_MS,
            heartbeat_interval_ms=1000,
            metadata_max_age_ms=5_000,
            allow_auto_create_topics=False,
            **log.access.options(),
        )
        self._names = [log.prefix + name for name in topics]
        try:
            self._consumer.subscribe(self._names, listener=self)
            for name in self._names:  # known before joining: a leader shares out only what it knows of
                self._consumer.partitions_for_topic(name)
        except BaseException:
            self.close()
            raise

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        fresh = set(assigned)
        if fresh:
            self._consumer.pause(*fresh)
        self._fresh |= fresh

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._fresh -= set(revoked)

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]:
        with _as_unavailable():
            self._seek()
            wait = 0.05 if self._fresh or not self._consumer.assignment() else timeout_s
            batches = self._consumer.poll(
                timeout_ms=int(min(wait, timeout_s) * 1000), max_records=max_records
            )
            self._seek()
            self._ends = {
                (where.topic.removeprefix(self._prefix), where.partition): end
                for where in self._consumer.assignment()
                if (end := self._consumer.highwater(where)) is not None
            }
            self._at_end = self._reached()
        return [self._delivered(message) for batch in batches.values() for message in batch]

    def ends(self) -> dict[tuple[str, int], int]:
        return self._ends

    def at_end(self) -> bool:
        return self._at_end

    def close(self) -> None:
        try:
            with contextlib.suppress(KafkaError):
                self._consumer.close(autocommit=False)
        finally:
            self._net.close()

    def _reached(self) -> bool:
        mine = self._consumer.assignment()
        every = sum(len(self._consumer.partitions_for_topic(name) or ()) for name in self._names)
        ends = {where: self._consumer.highwater(where) for where in mine}
        return len(mine) == every and all(
            end is not None and self._consumer.position(where) >= end for where, end in ends.items()
        )

    def _seek(self) -> None:
        for where in list(self._fresh):
            position = self._start(where.topic.removeprefix(self._prefix), where.partition)
            if position is None:
                self._consumer.seek_to_beginning(where)
            else:
                end = self._consumer.end_offsets([where])[where]
                if position > end:
                    raise PositionBeyondEnd(
                        f"the position {position} of {where.topic}/{where.partition} is behind its end {end}:"
                        " the log was replaced"
                    )
                self._consumer.seek(where, position)
            self._consumer.resume(where)
            self._fresh.discard(where)

    def _delivered(self, message: Any) -> Delivered:
        return Delivered(
            topic=message.topic.removeprefix(self._prefix),
            key=None if message.key is None else message.key.decode(errors="replace"),
            value=message.value,
            headers={name: text.decode(errors="replace") for name, text in message.headers or ()},
            partition=message.partition,
            offset=message.offset,
        )


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}") from error
