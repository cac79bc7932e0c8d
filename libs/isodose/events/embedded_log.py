"""The event log in one SQLite file: for one machine, shared by several processes, without a broker.

https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

from isodose.events.contract import Topic
from isodose.events.log import Applied, Delivered, LogUnavailable, PositionBeyondEnd, Record, Start

POLL_S = 0.01
MEMBER_LIVES_S = 3.0
CLEAN_EVERY_S = 3600.0
COMPACT_AFTER_S = 86_400.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    topic TEXT, part INTEGER, offset INTEGER, key TEXT, value BLOB, headers TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (topic, part, offset)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_key ON record (topic, key, offset);
CREATE TABLE IF NOT EXISTS part (topic TEXT, part INTEGER, next_offset INTEGER, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS member (grp TEXT, id TEXT, seen REAL, PRIMARY KEY (grp, id));
"""

_COMPACT = """
DELETE FROM record AS r WHERE topic = ? AND at < ? AND key IS NOT NULL AND (value IS NULL OR EXISTS (
    SELECT 1 FROM record n
    WHERE n.topic = r.topic AND n.key = r.key AND n.part = r.part AND n.offset > r.offset))
"""


class EmbeddedLog:
    """Append-only partitions in the SQLite file at `path`."""

    def __init__(self, path: str, topics: Iterable[Topic]) -> None:
        self.path = path
        self.topics = {topic.name: topic for topic in topics}
        self._lock = threading.Lock()
        self._conn: sqlite3.Connection | None = None
        self._cleaned = time.monotonic()

    def publish(self, records: Sequence[Record]) -> None:
        placed = [(record, self._partition(record)) for record in records]
        with self._lock, _as_unavailable():
            conn = self._connection()
            with _writing(conn):
                now = time.time()
                for record, part in placed:
                    self._append(conn, record, part, now)
            if time.monotonic() - self._cleaned > CLEAN_EVERY_S:
                self._cleaned = time.monotonic()
                self.clean()

    def subscribe(self, group: str, topics: Sequence[str], start: Start) -> EmbeddedSubscription:
        self.ensure_topics()
        with _as_unavailable():
            return EmbeddedSubscription(self, group, topics, start)

    def ensure_topics(self) -> None:
        with self._lock, _as_unavailable():
            conn = self._connection()
            with _writing(conn):
                rows = [
                    (topic.name, part) for topic in self.topics.values() for part in range(topic.partitions)
                ]
                conn.executemany("INSERT INTO part VALUES (?, ?, 0) ON CONFLICT DO NOTHING", rows)

    def apply_topics(self, replication: int | None = None) -> list[Applied]:
        self.ensure_topics()
        return [Applied(name, "as declared") for name in self.topics]

    def clean(self) -> None:
        """Remove what the topics' cleanup policies allow: superseded records, and expired ones."""
        conn = self._connection()
        with _writing(conn):
            for topic in self.topics.values():
                expired = time.time() - topic.retention.total_seconds()
                if "delete" in topic.cleanup:
                    conn.execute("DELETE FROM record WHERE topic = ? AND at < ?", (topic.name, expired))
                if "compact" in topic.cleanup:
                    conn.execute(_COMPACT, (topic.name, time.time() - COMPACT_AFTER_S))

    def check(self) -> None:
        with self._lock, _as_unavailable():
            self._connection().execute("SELECT 1 FROM part LIMIT 1").fetchall()

    def close(self) -> None:
        with self._lock:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset that the next record of each partition gets."""
        with self._lock, _as_unavailable():
            rows = self._connection().execute("SELECT topic, part, next_offset FROM part").fetchall()
        return {(topic, part): end for topic, part, end in rows}

    def connect(self) -> sqlite3.Connection:
        conn = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        conn.execute("PRAGMA journal_mode=WAL").close()
        conn.execute("PRAGMA synchronous=FULL").close()
        return conn

    def _connection(self) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = self.connect()
            self._conn.executescript(_SCHEMA)
        return self._conn

    def _partition(self, record: Record) -> int:
        if record.topic not in self.topics:
            raise ValueError(f"no topic {record.topic!r}: known are {', '.join(self.topics)}")
        return zlib.crc32((record.key or "").encode()) % self.topics[record.topic].partitions

    def _append(self, conn: sqlite3.Connection, record: Record, part: int, now: float) -> None:
        statement = (
            "INSERT INTO part VALUES (?, ?, 1) ON CONFLICT (topic, part)"
            " DO UPDATE SET next_offset = next_offset + 1 RETURNING next_offset - 1"
        )
        [(offset,)] = conn.execute(statement, (record.topic, part)).fetchall()
        if record.value is None and "compact" in self.topics[record.topic].cleanup:
            conn.execute("DELETE FROM record WHERE topic = ? AND key = ?", (record.topic, record.key))
        conn.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)",
            (record.topic, part, offset, record.key, record.value, json.dumps(dict(record.headers)), now),
        )


class EmbeddedSubscription:
    """One member: reads the partitions that fall to it among the living members of its group."""

    def __init__(self, log: EmbeddedLog, group: str, topics: Sequence[str], start: Start) -> None:
        self._log = log
        self._group = group
        self._id = uuid.uuid4().hex
        self._start = start
        self._parts = [(name, part) for name in topics for part in range(log.topics[name].partitions)]
        self._next: dict[tuple[str, int], int] = {}
        self._seen = 0.0
        self._closed = False
        self._reached = False
        self._conn = log.connect()

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]:
        until = time.monotonic() + timeout_s
        version = -1
        with _as_unavailable():
            while True:
                if self._assign():
                    version = -1
                [(seen,)] = self._conn.execute("PRAGMA data_version").fetchall()
                if seen != version:
                    version = seen
                    found = self._read(max_records)
                    self._reached = not found
                    if found:
                        return found
                left = until - time.monotonic()
                if left <= 0:
                    return []
                time.sleep(min(POLL_S, left))

    def ends(self) -> dict[tuple[str, int], int]:
        mine = set(self._next)
        return {place: end for place, end in self._log.ends().items() if place in mine}

    def at_end(self) -> bool:
        return self._reached and len(self._next) == len(self._parts)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with _as_unavailable(), closing(self._conn):
            self._conn.execute("DELETE FROM member WHERE grp = ? AND id = ?", (self._group, self._id))

    def _assign(self) -> bool:
        """Show that this member lives and take up its share; whether the share changed."""
        now = time.time()
        if now - self._seen < MEMBER_LIVES_S / 3:
            return False
        self._seen = now
        with _writing(self._conn):
            self._conn.execute("INSERT OR REPLACE INTO member VALUES (?, ?, ?)", (self._group, self._id, now))
            self._conn.execute("DELETE FROM member WHERE seen < ?", (now - MEMBER_LIVES_S,))
            query = "SELECT id FROM member WHERE grp = ? ORDER BY id"
            members = [row[0] for row in self._conn.execute(query, (self._group,)).fetchall()]
        mine = set(self._parts[members.index(self._id) :: len(members)])
        fresh = mine - self._next.keys()
        self._next = {part: offset for part, offset in self._next.items() if part in mine}
        for topic, part in sorted(fresh):
            self._next[topic, part] = self._checked(topic, part, self._start(topic, part) or 0)
        return bool(fresh)

    def _checked(self, topic: str, part: int, offset: int) -> int:
        query = "SELECT next_offset FROM part WHERE topic = ? AND part = ?"
        row = self._conn.execute(query, (topic, part)).fetchone()
        end = row[0] if row else 0
        if offset > end:
            raise PositionBeyondEnd(
                f"{self._group} stands at {offset} of {topic}/{part}, which ends at {end}:"
                " the log was replaced"
            )
        return offset

    def _read(self, max_records: int) -> list[Delivered]:
        found: list[Delivered] = []
        query = (
            "SELECT offset, key, value, headers FROM record"
            " WHERE topic = ? AND part = ? AND offset >= ? ORDER BY offset LIMIT ?"
        )
        for topic, part in list(self._next):
            rows = self._conn.execute(
                query, (topic, part, self._next[topic, part], max_records - len(found))
            ).fetchall()
            for offset, key, value, headers in rows:
                found.append(Delivered(topic, key, value, json.loads(headers), part, offset))
            if rows:
                del self._next[topic, part]
                self._next[topic, part] = rows[-1][0] + 1
            if len(found) >= max_records:
                break
        return found


@contextmanager
def _writing(conn: sqlite3.Connection) -> Iterator[None]:
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        conn.execute("ROLLBACK")
        raise
    conn.execute("COMMIT")


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LogUnavailable(f"embedded log: {error}") from error
