"""Many rows in one statement: a bundle of fifty resources costs a few round trips, not a thousand.

On PostgreSQL all rows travel as one JSON parameter. Arrays or a parameter per value cost the client twice
the work (measured): it escapes every text, or splits a statement of thousands of marks.
https://www.postgresql.org/docs/current/functions-json.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql


def insert_rows(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> int:
    """Insert the rows and return how many were written; `suffix` may hold an ON CONFLICT clause."""
    if not rows:
        return 0
    head = f"INSERT INTO {table.name} ({', '.join(columns)})"
    if conn.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns)
        return conn.exec_driver_sql(f"{head} VALUES ({marks}) {suffix}", [*map(tuple, rows)]).rowcount
    types = _types(table, tuple(columns))
    content = orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows]).decode()
    source = f"SELECT {', '.join(columns)} FROM json_to_recordset(%s::json) AS given({types})"  # noqa: S608
    return conn.exec_driver_sql(f"{head} {source} {suffix}", (content,)).rowcount


@cache
def _types(table: Table, columns: tuple[str, ...]) -> str:
    """The columns with their types, as PostgreSQL wants them told of JSON."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in columns)
