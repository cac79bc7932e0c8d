"""The log between services: three functions behind which Kafka and the embedded log look the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Start = Callable[[str, int], int | None]


class LogUnavailable(Exception):  # noqa: N818
    """The log did not acknowledge, or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    key: str | None
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivered:
    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)


class Subscription(Protocol):
    """What one member of a group is given, in order per partition."""

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]: ...

    def close(self) -> None: ...


class EventLog(Protocol):
    """`publish` returns only when all records are acknowledged, in order per key, and raises `LogUnavailable`
    otherwise. `subscribe` asks `start` where to begin in each partition; None is the beginning.
    """

    def publish(self, records: Sequence[Record]) -> None: ...

    def subscribe(self, group: str, topics: Sequence[str], start: Start) -> Subscription: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


def open_log(url: str) -> EventLog:
    """The log at `sqlite:///file` or `kafka://host:port[,host:port][?prefix=name.]`."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        from isodose.events.embedded_log import EmbeddedLog  # noqa: PLC0415

        return EmbeddedLog(rest.removeprefix("/"))
    if scheme == "kafka":
        from isodose.events.kafka_log import KafkaLog  # noqa: PLC0415

        servers, _, query = rest.partition("?")
        return KafkaLog(servers.split(","), query.removeprefix("prefix="))
    raise ValueError(f"event log URL names {scheme!r}: use sqlite:///file or kafka://host:port")
