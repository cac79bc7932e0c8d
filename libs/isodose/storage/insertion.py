"""Many rows in one statement: a bundle of fifty resources costs a few round trips, not a thousand.

On PostgreSQL all rows travel as one JSON parameter. Arrays or a parameter per value cost the client twice
the work (measured): it escapes every text, or splits a statement of thousands of marks.
https://www.postgresql.org/docs/current/functions-json.html
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import msgspec
import orjson
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql


def insert_rows(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> int:
    """Insert the rows and return how many were written; `suffix` may hold an ON CONFLICT clause."""
    if not rows:
        return 0
    if conn.dialect.name == "sqlite":
        return _one_by_one(conn, table, columns, rows, suffix)
    content = orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows])
    return _at_once(conn, table, columns, content, suffix)


def insert_structs(conn: Connection, table: Table, rows: Collection[msgspec.Struct]) -> int:
    """As `insert_rows`, of rows whose members are the columns; for hundreds of them, half the work."""
    if not rows:
        return 0
    columns = next(iter(rows)).__struct_fields__
    if conn.dialect.name == "sqlite":
        return _one_by_one(conn, table, columns, [*map(msgspec.structs.astuple, rows)])
    return _at_once(conn, table, columns, msgspec.json.encode(rows))


def _one_by_one(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> int:
    marks = ", ".join("?" for _ in columns)
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks}) {suffix}"  # noqa: S608
    return conn.exec_driver_sql(statement, [*map(tuple, rows)]).rowcount


def _at_once(conn: Connection, table: Table, columns: Sequence[str], content: bytes, suffix: str = "") -> int:
    listed, types = ", ".join(columns), _types(table, tuple(columns))
    source = f"SELECT {listed} FROM json_to_recordset(%s::json) AS given({types})"  # noqa: S608
    statement = f"INSERT INTO {table.name} ({listed}) {source} {suffix}"
    return conn.exec_driver_sql(statement, (content.decode(),)).rowcount


@cache
def _types(table: Table, columns: tuple[str, ...]) -> str:
    """The columns with their types, as PostgreSQL wants them told of JSON."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in columns)
