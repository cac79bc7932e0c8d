"""The event log as everything else sees it: publish until acknowledged, subscribe from a position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url

from isodose.events.contract import TOPICS, Topic
from isodose.settings import Settings

if TYPE_CHECKING:
    from isodose.events.kafka_access import KafkaAccess

Start = Callable[[str, int], int | None]
"""Of a topic and partition: the offset to read next; None for the beginning."""


class LogUnavailable(Exception):  # noqa: N818
    """The log cannot be reached or did not acknowledge; the same may succeed later."""


class PositionBeyondEnd(Exception):  # noqa: N818
    """A consumer stands behind the end of a partition: the log was replaced by another one."""


@dataclass(frozen=True)
class Record:
    """What is published. A value of None is a tombstone: it removes the key from a compacted topic."""

    topic: str
    key: str | None
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivered(Record):
    """What was published, and where it stands."""

    partition: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to one topic; `differs` is what still is not as declared, each with what to do."""

    topic: str
    done: str
    differs: tuple[str, ...] = ()


class Subscription(Protocol):
    """One member of a consumer group. Used by one thread."""

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]:
        """What comes next in the partitions assigned to this member; empty when nothing came in time."""

    def ends(self) -> dict[tuple[str, int], int]:
        """The ends of the partitions assigned here, as last seen. Safe from any thread; asks no broker."""

    def at_end(self) -> bool:
        """Whether this member holds every partition and was given all that stood there at the last poll."""

    def close(self) -> None: ...


class EventLog(Protocol):
    """Records of one key stay in order. Safe for several threads."""

    def publish(self, records: Sequence[Record]) -> None:
        """Return when all are acknowledged; raise `LogUnavailable` when one may not have been."""

    def subscribe(self, group: str, topics: Sequence[str], start: Start) -> Subscription:
        """Join `group`; its members share the partitions. `start` is asked at every assignment."""

    def ensure_topics(self) -> None:
        """Make the topics that are not there yet."""

    def apply_topics(self, replication: int | None = None) -> list[Applied]:
        """Make the topics, or bring them to what is declared; what was done to each."""

    def check(self) -> None:
        """Raise `LogUnavailable` when the log does not answer."""

    def close(self) -> None: ...


def log_of(settings: Settings) -> EventLog:
    """The log that the settings name, with the access that they give."""
    if not settings.event_log_url.startswith("kafka:"):
        return open_log(settings.event_log_url)
    from isodose.events.kafka_access import access_of  # noqa: PLC0415

    return open_log(settings.event_log_url, access=access_of(settings))


def open_log(
    url: str, topics: Iterable[Topic] = tuple(TOPICS.values()), access: KafkaAccess | None = None
) -> EventLog:
    """The log at `sqlite:///file` (embedded) or `kafka://host:port[,host:port]`.

    `?prefix=name.` on a Kafka URL is put before every topic and group, so that several platforms share one.
    """
    if url.startswith("sqlite:"):
        from isodose.events.embedded_log import EmbeddedLog  # noqa: PLC0415

        return EmbeddedLog(make_url(url).database or "", topics)
    if url.startswith("kafka:"):
        from isodose.events.kafka_log import KafkaLog  # noqa: PLC0415

        parts = urlsplit(url)
        prefix = parse_qs(parts.query).get("prefix", [""])[0]
        return KafkaLog(parts.netloc.split(","), topics, prefix, access)
    raise ValueError(f"event log URL {url.split(':', 1)[0]!r}: use sqlite:///file or kafka://host:port")
