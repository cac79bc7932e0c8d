"""Every access is taken down, in a chain that shows a change; nobody waits for it."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from typer.testing import CliRunner

import served
from all_in_one.command import app
from isodose.fhir.exchange import Deed
from isodose.fhir.resources import BASE
from isodose.security.audit import AuditLog, Verdict, chain, verified
from isodose.security.audit_retention import beginning, take_out
from isodose.storage.database import Database
from isodose.storage.tables import audit_event, audit_patient


def audited(service: Any, authority: Any, query: str) -> list[dict[str, Any]]:
    """The AuditEvents that a query finds, as soon as there are any."""

    def found() -> list[dict[str, Any]]:
        headers = authority.header("system/AuditEvent.rs", sub="auditor")
        bundle = service.get(f"/fhir/AuditEvent?{query}", headers=headers).json()
        return [entry["resource"] for entry in bundle.get("entry", [])]

    return list(served.eventually(found))


def test_a_read_says_who_read_what_of_whom(service: Any, authority: Any) -> None:
    header = authority.header("system/*.rs", sub="dr-1", fhirUser="Practitioner/doctor")
    assert service.get("/fhir/Observation/p1-lab", headers=header).status_code == 200
    (event,) = audited(service, authority, "agent=Practitioner/doctor")
    assert event["action"] == "R"
    assert event["outcome"] == "0"
    assert event["agent"][0]["who"]["identifier"]["value"] == "Practitioner/doctor"
    assert event["agent"][0]["altId"] == "ehr-app"
    whats = [entity["what"]["reference"] for entity in event["entity"]]
    assert whats == ["Patient/p1", "Observation/p1-lab"]
    assert service.post(
        "/fhir/AuditEvent/$validate", json=event, headers={**header, "content-type": "application/json"}
    ).json()["issue"][0]["severity"] in ("information", "warning")


def test_a_search_keeps_its_query_and_every_patient_found(service: Any, authority: Any) -> None:
    header = authority.header("system/*.rs", sub="searcher")
    service.get("/fhir/Condition?_count=10", headers=header)
    (event,) = audited(service, authority, "agent=searcher")
    assert {e["what"]["reference"] for e in event["entity"] if "what" in e} == {"Patient/p1", "Patient/p2"}
    query = next(e["query"] for e in event["entity"] if "query" in e)
    assert base64.b64decode(query) == b"Condition?_count=10"


@pytest.mark.parametrize(
    ("who", "method", "path", "action", "outcome"),
    [
        ("deleter", "DELETE", "/fhir/Basic/x", "D", "0"),
        ("misser", "GET", "/fhir/Patient/nobody", "R", "4"),
        ("lister", "GET", "/fhir/Patient/p2/$everything", "E", "0"),
        ("historian", "GET", "/fhir/Observation/moved/_history", "R", "0"),
    ],
)
def test_writes_operations_histories_and_failures_too(
    who: str, method: str, path: str, action: str, outcome: str, service: Any, authority: Any
) -> None:
    service.request(method, path, headers=authority.header("system/*.cruds", sub=who))
    (event,) = audited(service, authority, f"agent={who}")
    assert (event["action"], event["outcome"]) == (action, outcome)


def test_what_was_refused_is_taken_down(service: Any, authority: Any) -> None:
    service.get("/fhir/Patient/p2", headers=authority.header("patient/*.rs", patient="p1", sub="curious"))
    (event,) = audited(service, authority, "agent=curious&outcome=4&patient=p2")
    assert event["subtype"][0]["code"] == "read"


def test_the_trail_is_searched_by_patient_date_and_kind_page_by_page(service: Any, authority: Any) -> None:
    header = authority.header("system/AuditEvent.rs")
    for _ in range(3):
        service.get("/fhir/Patient/p1", headers=authority.header("system/*.rs", sub="often"))
    served.eventually(lambda: len(audited(service, authority, "agent=often")) == 3)
    page = service.get("/fhir/AuditEvent?agent=often&patient=p1&_count=2", headers=header).json()
    assert page["total"] == 3
    following = page["link"][1]["url"].removeprefix("https://isodose.example.org")
    rest = service.get(following, headers=header).json()
    ids = [entry["resource"]["id"] for entry in page["entry"] + rest["entry"]]
    assert len(set(ids)) == 3
    assert service.get(f"/fhir/AuditEvent/{ids[0]}", headers=header).json()["id"] == ids[0]
    for query, total in (("date=ge2100", 0), ("subtype=read&date=ge2020&action=R", 3), ("outcome=8", 0)):
        found = service.get(f"/fhir/AuditEvent?agent=often&{query}", headers=header).json()
        assert found["total"] == total, query
    assert service.get("/fhir/AuditEvent?date=yesterday", headers=header).status_code == 400
    strict = {**header, "prefer": "handling=strict"}
    assert service.get("/fhir/AuditEvent?colour=red", headers=strict).status_code == 400


@pytest.fixture
def log(database: Database) -> Any:
    made = AuditLog(database, "test")
    made.start()
    for number in range(5):
        made.add(Deed("read", "Patient", f"p{number}", "", 200, (f"p{number}",)), None, "127.0.0.1")
    made.stop()
    return made


def test_the_chain_holds_and_shows_what_was_changed_or_removed(log: Any, database: Database) -> None:
    def broken() -> int | None:
        with database.read() as conn:
            return verified(chain(conn)).broken_at

    assert broken() is None
    with database.begin() as conn:
        conn.execute(update(audit_event).where(audit_event.c.seq == 3).values(body="{}"))
    assert broken() == 3
    with database.begin() as conn:
        conn.execute(delete(audit_event).where(audit_event.c.seq == 2))
    assert broken() == 2


def keep_from(database: Database, seq: int, key: bytes | None = None) -> int:
    """Date the events before this one in 2020, without breaking the chain, and take those years out."""
    with database.begin() as conn:
        conn.execute(
            update(audit_event).where(audit_event.c.seq < seq).values(recorded="2020-05-05T10:00:00.000Z")
        )
        return take_out(
            conn,
            dt.datetime(2021, 1, 1, tzinfo=dt.UTC),
            site="test",
            key=key,
            canonical=BASE,
            now=dt.datetime.now(dt.UTC),
        )


def test_what_is_older_than_the_rule_of_the_site_is_taken_out_and_the_chain_goes_on(
    log: Any, database: Database
) -> None:
    def told() -> Verdict:
        with database.read() as conn:
            return verified(chain(conn), None, beginning(conn))

    assert keep_from(database, 4) == 3
    assert told()[:2] == (None, 3)
    assert keep_from(database, 5) == 1
    assert told()[:2] == (None, 3)
    assert keep_from(database, 5) == 0
    with database.read() as conn:
        assert conn.execute(select(audit_patient.c.patient_id)).scalars().all() == ["p4"]
    with database.begin() as conn:
        conn.execute(delete(audit_event).where(audit_event.c.seq == 5))
    assert told().broken_at == 5


def test_who_has_no_key_cannot_tell_the_chain_where_to_begin(database: Database) -> None:
    keyed = AuditLog(database, "test", b"secret")
    keyed.start()
    for _ in range(3):
        keyed.add(Deed("read", "Patient", "p", "", 200), None, "")
    keyed.stop()
    assert keep_from(database, 2, b"guess") == 1
    with database.read() as conn:
        assert verified(chain(conn), b"secret", beginning(conn)).broken_at == 4


def test_with_a_key_nobody_else_makes_a_chain_that_holds(database: Database) -> None:
    keyed = AuditLog(database, "test", b"secret")
    keyed.start()
    keyed.add(Deed("read", "Patient", "p", "", 200), None, "")
    keyed.stop()
    with database.read() as conn:
        assert verified(chain(conn), b"secret").broken_at is None
        assert verified(chain(conn), b"guess").broken_at == 1


def test_two_writers_make_one_chain(new_sqlite: Callable[[], str]) -> None:
    database = Database(new_sqlite())
    logs = [AuditLog(database, name) for name in ("a", "b")]
    for one in logs:
        one.start()
    for _ in range(20):
        for one in logs:
            one.add(Deed("read", "Patient", "p", "", 200), None, "")
    for one in logs:
        one.stop()
    with database.read() as conn:
        told = verified(chain(conn))
    assert (told.broken_at, told.holding) == (None, 40)
    database.dispose()


def test_the_command_says_whether_the_chain_holds(new_sqlite: Callable[[], str]) -> None:
    url = new_sqlite()
    database = Database(url)
    log = AuditLog(database, "ehr_ingestion")
    log.start()
    log.add(Deed("read", "Patient", "p", "", 200), None, "")
    log.stop()

    def said() -> Any:
        return CliRunner().invoke(app, ["audit", "ehr_ingestion"], env={"ISODOSE_DATABASE_URL": url})

    assert "holds; 1 events" in said().output.replace("\n", " ")
    asked = ["retire-audit", "--before", "2021-01-01", "ehr_ingestion"]
    retired = CliRunner().invoke(app, asked, env={"ISODOSE_DATABASE_URL": url})
    assert "0 events taken out" in retired.output.replace("\n", " ")
    with database.begin() as conn:
        conn.execute(update(audit_event).values(body="{}"))
    database.dispose()
    assert said().exit_code == 1
