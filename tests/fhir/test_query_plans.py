"""A search by patient reads that patient's rows, however many others there are."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import event, text

from isodose.fhir import search_sql
from isodose.fhir.search_query import parse
from isodose.storage.database import Database
from isodose.storage.insertion import insert_rows
from isodose.storage.tables import resource, resource_version

PATIENTS = 5_000
COLUMNS = ("type", "id", "version", "last_version", "last_updated", "patient_id", "deleted", "origin", "body")


def test_the_resources_of_a_patient_are_found_and_ordered_by_one_index(server: Any) -> None:
    database: Database = server.database
    body = orjson.dumps({"resourceType": "Observation"}).decode()
    rows = [
        ("Observation", f"o{n}", 1, 1, "2026-11-23T00:00:00.000Z", f"p{n}", False, "ehr", body)
        for n in range(PATIENTS)
    ]
    with database.begin() as conn:
        insert_rows(conn, resource, COLUMNS, rows)
        conn.execute(text("ANALYZE"))
    with server.reading() as work:
        page = search_sql.page(work.resources, parse("Observation", [("patient", "p7"), ("_count", "1")]))
        statement = str(page.compile(work.conn, compile_kwargs={"literal_binds": True}))
        how = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
        plan = " ".join(str(row) for row in work.conn.exec_driver_sql(f"{how} {statement}"))
    assert "ix_resource_patient_id_type_id" in plan, plan


def test_the_history_of_everything_is_read_in_the_order_of_an_index(server: Any) -> None:
    database: Database = server.database
    columns = ("type", "id", "version", "method", "last_updated", "deleted", "body")
    rows = [
        ("Observation", f"o{n}", 1, "PUT", f"2026-11-{n % 28 + 1:02}T00:00:00.000Z", False, "{}")
        for n in range(PATIENTS)
    ]
    with database.begin() as conn:
        insert_rows(conn, resource_version, columns, rows)
        conn.execute(text("ANALYZE"))
    seen: list[str] = []
    with server.reading() as work:
        engine = work.conn.engine

        def explained(conn: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
            if "resource_version" in statement and not statement.startswith("EXPLAIN"):
                how = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
                seen.append(" ".join(str(r) for r in conn.exec_driver_sql(f"{how} {statement}", values)))

        event.listen(engine, "before_cursor_execute", explained)
        try:
            assert len(work.resources.history(limit=10)) == 10
        finally:
            event.remove(engine, "before_cursor_execute", explained)
    assert "ix_resource_version_last_updated" in seen[0], seen
    assert "Sort" not in seen[0].replace("Sort Key", ""), seen
