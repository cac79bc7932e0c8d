"""Many rows in one statement: a bundle of fifty resources costs a few round trips, not a thousand.

https://www.postgresql.org/docs/current/functions-array.html (unnest)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, Connection, Double, Integer, Table


def insert_rows(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> int:
    """Insert the rows and return how many were written; `suffix` may hold an ON CONFLICT clause."""
    if not rows:
        return 0
    names = ", ".join(columns)
    if conn.dialect.name == "postgresql":
        arrays = ", ".join(f"%s::{_postgresql_type(table, column)}[]" for column in columns)
        statement = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {suffix}"  # noqa: S608
        return conn.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True)))).rowcount
    marks = ", ".join("?" for _ in columns)
    # SQLite reads ON after a SELECT as a join condition; VALUES leaves no doubt.
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {suffix}"  # noqa: S608
    return conn.exec_driver_sql(statement, [tuple(row) for row in rows]).rowcount


def _postgresql_type(table: Table, column: str) -> str:
    kind = table.c[column].type
    if isinstance(kind, Boolean):
        return "boolean"
    if isinstance(kind, Integer):
        return "integer"
    return "double precision" if isinstance(kind, Double) else "text"
