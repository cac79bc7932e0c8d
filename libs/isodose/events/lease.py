"""The right to one kind of work on a database, held by one worker at a time and freed by its death."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Literal

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from isodose.storage.database import Database

_LOCKS = {"relay": 0x0CB0, "jobs": 0x0CB1, "bulk": 0x0CB2}


class PostgresLease:
    """A session's advisory lock. All work is done on that very session: with it lost, marking fails too."""

    def __init__(self, database: Database, work: str) -> None:
        self._database = database
        self._key = _LOCKS[work]
        self._conn: Connection | None = None

    def acquire(self) -> bool:
        if self._conn is not None:
            return True
        conn = self._database.engine.connect()
        try:
            with conn.begin():
                got = bool(
                    conn.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar()
                )
        except BaseException:
            conn.invalidate()
            conn.close()
            raise
        if got:
            self._conn = conn
        else:
            conn.close()
        return got

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        assert self._conn is not None
        try:
            with self._conn.begin():
                yield self._conn
        except DBAPIError:
            self.release()
            raise

    def release(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.invalidate()
            conn.close()


class FileLease:
    """A lock on a file beside a SQLite database; the system frees it when its holder dies."""

    def __init__(self, database: Database, work: str) -> None:
        self._database = database
        self._path = f"{database.engine.url.database}.{work}"
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        if self._file is not None:
            return True
        file = open(self._path, "a")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._database.begin() as conn:
            yield conn

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def lease_of(database: Database, work: Literal["relay", "jobs", "bulk"]) -> PostgresLease | FileLease:
    return PostgresLease(database, work) if database.dialect == "postgresql" else FileLease(database, work)
