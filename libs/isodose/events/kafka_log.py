"""The log on Apache Kafka: the only module that knows the client.

https://kafka-python.readthedocs.io/
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from isodose.events.contract import TOPICS
from isodose.events.log import Delivered, LogUnavailable, Record, Start

_ACKNOWLEDGED_S = 30
_LARGEST = 2_000_000
_DAY_MS = "86400000"


class KafkaLog:
    """Topics are made where they are missing, under `prefix`. Positions are the caller's, never Kafka's."""

    def __init__(self, servers: Sequence[str], prefix: str = "") -> None:
        self._servers = list(servers)
        self._prefix = prefix
        self._lock = threading.Lock()
        self._producer: Any = None
        self._made = False

    def publish(self, records: Sequence[Record]) -> None:
        try:
            producer = self._connected()
            sent = [
                producer.send(
                    self._prefix + record.topic,
                    key=record.key.encode() if record.key is not None else None,
                    value=record.value,
                    headers=[(name, value.encode()) for name, value in record.headers.items()],
                )
                for record in records
            ]
            producer.flush(timeout=_ACKNOWLEDGED_S)
            for future in sent:
                future.get(timeout=_ACKNOWLEDGED_S)
        except KafkaError as error:
            raise LogUnavailable(f"Kafka did not acknowledge: {type(error).__name__}") from error

    def subscribe(self, group: str, topics: Sequence[str], start: Start) -> KafkaSubscription:
        try:
            self.make_topics()
            return KafkaSubscription(self._servers, self._prefix, group, topics, start)
        except KafkaError as error:
            raise LogUnavailable(f"Kafka cannot be reached: {type(error).__name__}") from error

    def check(self) -> None:
        try:
            admin = KafkaAdminClient(bootstrap_servers=self._servers, bootstrap_timeout_ms=5000)
            try:
                admin.describe_cluster()
            finally:
                admin.close()
        except KafkaError as error:
            raise LogUnavailable(f"Kafka cannot be reached: {type(error).__name__}") from error

    def make_topics(self) -> None:
        """Make the topics of the contract that are not there yet."""
        if self._made:
            return
        admin = KafkaAdminClient(bootstrap_servers=self._servers, bootstrap_timeout_ms=10_000)
        try:
            there = set(admin.list_topics())
            for topic in TOPICS.values():
                name = self._prefix + topic.name
                if name in there:
                    continue
                settings = {"cleanup.policy": topic.cleanup, "max.message.bytes": str(_LARGEST)}
                if "compact" in topic.cleanup:
                    settings["min.compaction.lag.ms"] = _DAY_MS
                try:
                    admin.create_topics([NewTopic(name, topic.partitions, -1, topic_configs=settings)])
                except TopicAlreadyExistsError:
                    continue
        finally:
            admin.close()
        self._made = True

    def close(self) -> None:
        with self._lock:
            if self._producer is not None:
                self._producer.close(timeout=5)
                self._producer = None

    def _connected(self) -> Any:
        with self._lock:
            if self._producer is None:
                self.make_topics()
                self._producer = KafkaProducer(
                    bootstrap_servers=self._servers,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_block_ms=10_000,
                    delivery_timeout_ms=_ACKNOWLEDGED_S * 1000,
                    request_timeout_ms=10_000,
                    max_request_size=_LARGEST,
                )
            return self._producer


class KafkaSubscription:
    """One member of a consumer group; on assignment each partition is sought where the caller says."""

    def __init__(
        self, servers: list[str], prefix: str, group: str, topics: Sequence[str], start: Start
    ) -> None:
        self._prefix = prefix
        self._consumer = KafkaConsumer(
            bootstrap_servers=servers,
            group_id=prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            session_timeout_ms=10_000,
            max_partition_fetch_bytes=4 * _LARGEST,
        )
        self._consumer.subscribe(
            [prefix + topic for topic in topics], listener=_Seek(self._consumer, prefix, start)
        )

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]:
        try:
            batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except KafkaError as error:
            raise LogUnavailable(f"Kafka cannot be read: {type(error).__name__}") from error
        return [
            Delivered(
                topic=one.topic.removeprefix(self._prefix),
                partition=one.partition,
                offset=one.offset,
                key=one.key.decode() if one.key is not None else None,
                value=one.value,
                headers={name: value.decode() for name, value in one.headers},
            )
            for batch in batches.values()
            for one in batch
        ]

    def close(self) -> None:
        self._consumer.close(autocommit=False)


class _Seek(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Any, prefix: str, start: Start) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self._start = start

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Nothing to do: positions were committed with the effects."""

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        for partition in assigned:
            place = self._start(partition.topic.removeprefix(self._prefix), partition.partition)
            if place is None:
                self._consumer.seek_to_beginning(partition)
            else:
                self._consumer.seek(partition, place)
