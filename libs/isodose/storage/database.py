"""One database by URL: transactions that behave the same on SQLite and on PostgreSQL.

https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-transactions
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from isodose.storage import schema
from isodose.storage.schema import SchemaMismatch

__all__ = ["Database", "SchemaMismatch", "insert", "is_transient"]

SQLITE_BUSY_MS = 30_000
SILENT_FOR = {"idle": 10, "interval": 5, "count": 3}
"""Seconds until an idle connection is asked whether it lives, between two questions, and how many in vain."""
UNACKNOWLEDGED_MS = 20_000
POSTGRESQL_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "300s",
        "tcp_user_timeout": f"{UNACKNOWLEDGED_MS}ms",
        **{f"tcp_keepalives_{name}": value for name, value in SILENT_FOR.items()},
    }.items()
)
"""For the server: it lets go of locks, and of the relay's lease, when the network took the client away."""
_TRANSIENT_SQLSTATE_CLASSES = ("08", "40", "53", "55", "57", "58")
_TRANSIENT_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class Database:
    """A database reached by URL: `sqlite:///file` or `postgresql+psycopg://user@host/name`.

    `begin()` is one write transaction: committed when the block ends, rolled back when it raises. On SQLite
    it takes the write lock at once: a transaction never fails half-way because another one wrote first.
    `read()` sees one snapshot, holds no write lock and refuses writes.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ValueError(
                f"database URL names {parsed.get_backend_name()!r}: use sqlite:///file or postgresql+psycopg://host/name"
            )
        self.dialect = cast(Literal["sqlite", "postgresql"], parsed.get_backend_name())
        if self.dialect == "sqlite":
            self.engine = _sqlite_engine(url, pool_size)
            self._reading = self.engine.execution_options(isodose_read_only=True)
        else:
            self.engine = _postgresql_engine(url, pool_size)
            self._reading = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.engine.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._reading.begin() as conn:
            yield conn

    def migrate(self, migrations: Path = schema.MIGRATIONS, *, stopped: bool = False) -> None:
        """Bring the schema to this version of the code. Safe to run from several processes at once, and on
        PostgreSQL while services work; on SQLite they are stopped. Raises `WouldBreak`, `SchemaMismatch`.
        """
        from isodose.storage import migrating  # noqa: PLC0415 (a quarter of a second that only this needs)

        if self.dialect == "postgresql":
            migrating.migrate_beside_traffic(self.engine.url, migrations, stopped=stopped)
            return
        with self.begin() as conn:
            if schema.is_behind(conn, migrations):
                migrating.migrate(conn, migrations)

    def check_schema(self) -> None:
        """Raise `SchemaMismatch` unless this code can work on the schema."""
        with self.read() as conn:
            schema.check(conn)

    def dispose(self) -> None:
        self.engine.dispose()


def insert(conn: Connection, table: Table) -> postgresql.Insert:
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing` on either dialect.

    Its result tells `rowcount`, which SQLAlchemy otherwise does not keep for an INSERT on PostgreSQL.
    """
    statement = sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)
    return cast(postgresql.Insert, statement.execution_options(preserve_rowcount=True))


def is_transient(error: BaseException) -> bool:
    """Whether the same may succeed later: the database is away, busy, full or broke a deadlock."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _TRANSIENT_SQLITE_CODES
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return isinstance(error, OperationalError)
    return str(state).startswith(_TRANSIENT_SQLSTATE_CLASSES)


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"timeout": SQLITE_BUSY_MS / 1000},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        read_only = conn.get_execution_options().get("isodose_read_only", False)
        conn.exec_driver_sql(f"PRAGMA query_only={int(read_only)}")
        conn.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: str, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "options": POSTGRESQL_OPTIONS,
            "tcp_user_timeout": UNACKNOWLEDGED_MS,
            **{f"keepalives_{name}": value for name, value in SILENT_FOR.items()},
        },
        hide_parameters=True,
    )
