"""What an expansion does beyond Alembic's own operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op


def create_index_beside(name: str, table: str, columns: Sequence[Any], **how: Any) -> None:
    """Create an index without holding up who writes; one that broke off before is made anew.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    with _beside_traffic():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **how)


def drop_index_beside(name: str, table: str) -> None:
    """Drop an index without holding up who reads or writes."""
    with _beside_traffic():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


@contextmanager
def _beside_traffic() -> Iterator[None]:
    """Outside the transaction on PostgreSQL, where each statement waits for whoever is there before it."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        yield
        return
    with context.autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute("RESET lock_timeout")
