"""How many rows a statement reads on PostgreSQL, told by its plan after it was carried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

Seen = dict[str, Any]
"""Statements with their values, each once."""


_OF_WHAT_IS_READ_BELOW = ("Subquery Scan", "CTE Scan", "Bitmap Heap Scan")


@contextmanager
def watched(engine: Engine) -> Iterator[Seen]:
    """What is asked of the database meanwhile."""
    seen: Seen = {}

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            seen[statement] = values

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def rows_read(engine: Engine, statement: str, values: Any) -> tuple[float, list[str]]:
    """How many rows the statement reads of tables and indexes, and how."""
    with engine.connect() as conn:
        conn.exec_driver_sql("SET LOCAL jit = off")
        asked = conn.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", values)
        [whole] = asked.scalar_one()
        conn.rollback()
    scans = list(_scans(whole["Plan"]))
    return sum(many for many, _ in scans), [f"{many:.0f} {how}" for many, how in scans]


def _scans(node: dict[str, Any]) -> Iterator[tuple[float, str]]:
    below = node.get("Plans", ())
    if node["Node Type"].endswith("Scan") and node["Node Type"] not in _OF_WHAT_IS_READ_BELOW:
        dropped = sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
        many = (node["Actual Rows"] + dropped) * node["Actual Loops"]
        yield many, f"{node['Node Type']} {node.get('Relation Name', '')} {node.get('Index Name', '')}"
    for one in below:
        yield from _scans(one)
