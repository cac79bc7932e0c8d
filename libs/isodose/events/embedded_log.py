"""The log in one SQLite file, for all services on one machine: one partition per topic, safe on a crash."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence

import orjson

from isodose.events.log import Delivered, LogUnavailable, Record, Start

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT,"
    " value BLOB, headers TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS event_topic ON event (topic, seq)",
)
_TICK_S = 0.02


class EmbeddedLog:
    """An event's offset is its place among all events of the file, so offsets of a topic grow but skip."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._writer: sqlite3.Connection | None = None

    def publish(self, records: Sequence[Record]) -> None:
        rows = [(r.topic, r.key, r.value, orjson.dumps(dict(r.headers)).decode()) for r in records]
        with self._writing:
            try:
                if self._writer is None:
                    self._writer = _opened(self._path)
                with self._writer:
                    self._writer.executemany(
                        "INSERT INTO event (topic, key, value, headers) VALUES (?, ?, ?, ?)", rows
                    )
            except sqlite3.Error as error:
                raise LogUnavailable(f"{self._path}: {type(error).__name__}") from error

    def subscribe(self, group: str, topics: Sequence[str], start: Start) -> EmbeddedSubscription:
        return EmbeddedSubscription(self._path, topics, start)

    def check(self) -> None:
        try:
            conn = _opened(self._path)
            conn.execute("SELECT 1 FROM event LIMIT 1").fetchall()
            conn.close()
        except sqlite3.Error as error:
            raise LogUnavailable(f"{self._path}: {type(error).__name__}") from error

    def close(self) -> None:
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None


class EmbeddedSubscription:
    """Reads by topic and place; the file is looked at every few milliseconds."""

    def __init__(self, path: str, topics: Sequence[str], start: Start) -> None:
        self._path = path
        self._next = {topic: start(topic, 0) or 0 for topic in topics}
        self._conn: sqlite3.Connection | None = None

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]:
        until = time.monotonic() + timeout_s
        while True:
            found = self._read(max_records)
            if found or time.monotonic() >= until:
                return found
            time.sleep(min(_TICK_S, max(0.0, until - time.monotonic())))

    def _read(self, max_records: int) -> list[Delivered]:
        try:
            if self._conn is None:
                self._conn = _opened(self._path)
            found: list[Delivered] = []
            for topic, place in self._next.items():
                rows = self._conn.execute(
                    "SELECT seq, key, value, headers FROM event"
                    " WHERE topic = ? AND seq >= ? ORDER BY seq LIMIT ?",
                    (topic, place, max_records - len(found)),
                ).fetchall()
                found += [
                    Delivered(topic, 0, seq, key, value, orjson.loads(h)) for seq, key, value, h in rows
                ]
        except sqlite3.Error as error:
            raise LogUnavailable(f"{self._path}: {type(error).__name__}") from error
        for one in found:
            self._next[one.topic] = one.offset + 1
        return found

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _opened(path: str) -> sqlite3.Connection:
    conn = sqlite3.connect(path, timeout=30, check_same_thread=False)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *_SCHEMA):
        conn.execute(statement)
    conn.commit()
    return conn
