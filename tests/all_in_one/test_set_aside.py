"""What was set aside at a terminal: dead letters and jobs are listed, done again or given up, and audited."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from all_in_one.command import app
from isodose.clinical.record import PatientRecord
from isodose.events import contract, dead_letters
from isodose.events.jobs import ask
from isodose.fhir.resources import result_id
from isodose.storage.database import Database
from isodose.storage.records import Records
from isodose.storage.tables import audit_event, dead_letter, job

run = CliRunner(env={"COLUMNS": "160"})


def letter(service: str, offset: int, value: bytes | None, **other: object) -> dict[str, object]:
    at = dt.datetime(2026, 11, 23, 8, 30, tzinfo=dt.UTC)
    place = {"group": service, "topic": "isodose.patient-record.v1", "partition": 0, "offset": offset}
    said = {"headers": "{}", "error": "ValueError: about p1", "attempts": 5, "failed_at": at}
    return place | said | {"key": "p1", "value": value} | other


def told(database: Database) -> list[tuple[str, list[str]]]:
    """What the audit tells: each subtype with what it is about."""
    with database.read() as conn:
        bodies = conn.execute(select(audit_event.c.body).order_by(audit_event.c.seq)).scalars()
        events = [orjson.loads(body) for body in bodies]
    return [(event["subtype"][0]["code"], [_about(one) for one in event["entity"]]) for event in events]


def _about(entity: Any) -> str:
    return entity["what"]["reference"] if "what" in entity else base64.b64decode(entity["query"]).decode()


RECORD = PatientRecord(patient_id="p1", version=1)
CHANGED = contract.encode(contract.record_changed(RECORD))


@pytest.fixture
def surveillance(tmp_path: Path) -> Iterator[Database]:
    """The database of a service with an event that can be handled, and one that cannot."""
    assert run.invoke(app, ["migrate"], env={"ISODOSE_DATA_DIR": str(tmp_path)}).exit_code == 0
    database = Database(f"sqlite:///{tmp_path / 'are_surveillance.db'}")
    letters = [letter("are_surveillance", 7, CHANGED), letter("are_surveillance", 8, b"p1 is no event")]
    with database.begin() as conn:
        conn.execute(dead_letter.insert(), letters)
    yield database
    database.dispose()


def test_dead_letters_are_listed_replayed_and_dismissed_and_that_is_audited(
    surveillance: Database, tmp_path: Path
) -> None:
    place = {"ISODOSE_DATA_DIR": str(tmp_path), "LOGNAME": "an operator"}

    def typed(*words: str) -> tuple[int, str]:
        done = run.invoke(app, ["dead-letters", *words], env=place)
        return done.exit_code, done.output

    def where(offset: int) -> str:
        return f"isodose.patient-record.v1 0/{offset}, 2026-11-23 08:30, 5 attempts: ValueError"

    first, second = f"are_surveillance 1: {where(7)}\n", f"are_surveillance 2: {where(8)}\n"
    assert typed("list") == (0, first + second)
    again = "are_surveillance 1: handled\nare_surveillance 2: failed again, DecodeError\n"
    assert typed("replay") == (1, again)
    with surveillance.read() as conn:
        assert Records(conn).get("p1") == RECORD
    assert typed("replay", "--id", "1") == (1, "all 1 does not wait; see `isodose dead-letters list`\n")
    assert typed("list") == (0, second)
    dismiss = ("dismiss", "are_surveillance", "--id", "2", "--reason")
    assert typed(*dismiss, " ")[0] == 1
    assert typed(*dismiss, "sent by mistake") == (0, "are_surveillance 2: dismissed\n")
    assert typed(*dismiss, "again") == (
        1,
        "are_surveillance 2 does not wait; see `isodose dead-letters list`\n",
    )
    assert typed("list") == (0, "")
    assert typed("list", "--dismissed")[1].endswith(": sent by mistake\n")
    with surveillance.read() as conn:
        assert dead_letters.count(conn) == 0
    events = [
        ("replay-event", ["Patient/p1", "isodose.patient-record.v1?partition=0&offset=7"]),
        ("dismiss-event", ["Patient/p1", "isodose.patient-record.v1?partition=0&offset=8"]),
    ]
    assert told(surveillance) == events
    with surveillance.read() as conn:
        assert set(conn.execute(select(audit_event.c.agent)).scalars()) == {"an operator"}
    assert "p1" not in "".join(typed("list", "--dismissed")[1])


def test_where_it_cannot_be_audited_no_dead_letter_is_replayed_or_dismissed(
    surveillance: Database, tmp_path: Path
) -> None:
    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    for typed in (["replay"], ["dismiss", "are_surveillance", "--id", "1", "--reason", "x"]):
        no_key = {"ISODOSE_AUDIT_KEY_FILE": str(tmp_path / "none")}
        assert run.invoke(app, ["dead-letters", *typed], env=place | no_key).exit_code == 1
    with surveillance.begin() as conn:
        conn.execute(text("DROP TABLE audit_patient"))
    for typed in (["replay", "--id", "1"], ["dismiss", "are_surveillance", "--id", "1", "--reason", "x"]):
        assert run.invoke(app, ["dead-letters", *typed], env=place).exit_code == 1
    with surveillance.read() as conn:
        assert dead_letters.count(conn) == 2
        assert Records(conn).get("p1") is None


@pytest.mark.parametrize("service", ["are_surveillance", "worklist"])
def test_a_tombstone_that_was_set_aside_erases_when_it_is_replayed_and_is_not_dismissed(
    service: str, tmp_path: Path
) -> None:
    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    assert run.invoke(app, ["migrate"], env=place).exit_code == 0
    database = Database(f"sqlite:///{tmp_path / service}.db")
    given_up = {"dismissed_at": dt.datetime.now(dt.UTC), "reason": "of p1"}
    with database.begin() as conn:
        Records(conn).put(RECORD)
        conn.execute(dead_letter.insert(), letter(service, 7, CHANGED, **given_up))
        conn.execute(dead_letter.insert(), letter(service, 8, None))
    dismissed = run.invoke(app, ["dead-letters", "dismiss", service, "--id", "2", "--reason", "x"], env=place)
    assert (dismissed.exit_code, "erases a patient" in dismissed.stderr) == (1, True)
    assert run.invoke(app, ["dead-letters", "replay", service], env=place).exit_code == 0
    with database.read() as conn:
        assert Records(conn).get("p1") is None
        assert conn.execute(select(dead_letter)).all() == []
    assert [subtype for subtype, _ in told(database)] == ["erase", "replay-event"]
    database.dispose()


def test_jobs_set_aside_are_listed_asked_for_again_and_dismissed_and_that_is_audited(tmp_path: Path) -> None:
    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    assert run.invoke(app, ["migrate"], env=place).exit_code == 0
    database = Database(f"sqlite:///{tmp_path / 'ehr_ingestion.db'}")
    at = dt.datetime(2026, 11, 23, 8, 30, tzinfo=dt.UTC)
    refused = {"version": 2, "attempts": 4, "asked_at": at, "due_at": at, "failed_at": at, "error": "403"}
    named = [
        ("delete-copy", "CarePlan/there"),
        ("find-copy", "Task/surveillance/p3/plan"),
        ("read-patient", "p1"),
        ("read-patient", "p2"),
        ("read-resource", "Condition/c"),
        ("sweep", "feed"),
    ]
    with database.begin() as conn:
        conn.execute(job.insert(), [refused | {"kind": kind, "key": key} for kind, key in named])
        ask(conn, "write-back", "p1")

    def aside() -> list[str]:
        return run.invoke(app, ["jobs", "list"], env=place).stdout.splitlines()

    assert aside() == [f"{kind} {key}: set aside 2026-11-23 08:30: 403" for kind, key in named]
    dismissed = run.invoke(app, ["jobs", "dismiss", "read-patient", "p1"], env=place)
    assert (dismissed.exit_code, dismissed.stdout) == (0, "read-patient p1: dismissed\n")
    one = run.invoke(app, ["jobs", "retry", "read-resource", "Condition/c"], env=place)
    assert one.stdout == "read-resource Condition/c: asked for\n"
    rest = run.invoke(app, ["jobs", "retry"], env=place)
    assert rest.stdout == "".join(
        f"{one}: asked for\n"
        for one in (
            "delete-copy CarePlan/there",
            "find-copy Task/surveillance/p3/plan",
            "read-patient p2",
            "sweep feed",
        )
    )
    assert aside() == []
    for waiting in (["retry", "write-back", "p1"], ["dismiss", "write-back", "p1"]):
        not_aside = run.invoke(app, ["jobs", *waiting], env=place)
        assert (not_aside.exit_code, "is not set aside" in not_aside.stderr) == (1, True)
    with database.read() as conn:
        left = conn.execute(select(job.c.kind, job.c.key, job.c.attempts, job.c.failed_at)).all()
    assert sorted(map(tuple, left)) == [
        ("delete-copy", "CarePlan/there", 0, None),
        ("find-copy", "Task/surveillance/p3/plan", 0, None),
        ("read-patient", "p2", 0, None),
        ("read-resource", "Condition/c", 0, None),
        ("sweep", "feed", 0, None),
        ("write-back", "p1", 0, None),
    ]
    assert [(subtype, about[0]) for subtype, about in told(database)] == [
        ("dismiss-job", "Patient/p1"),
        ("retry-job", "Condition/c"),
        ("retry-job", "CarePlan/there"),
        ("retry-job", f"Task/{result_id('surveillance/p3/plan')}"),
        ("retry-job", "Patient/p2"),
        ("retry-job", "Subscription/feed"),
    ]
    assert run.invoke(app, ["audit", "ehr_ingestion"], env=place).exit_code == 0
    database.dispose()
