"""Backup and restore of PostgreSQL, by the very commands of the operations guide."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select

from isodose.clinical.record import PatientRecord
from isodose.events.contract import record_changed
from isodose.fhir.access import Access as Granted
from isodose.fhir.exchange import Deed
from isodose.fhir.resources import parse
from isodose.security.audit import Access, chain, verified, write
from isodose.security.callers import Caller
from isodose.storage.database import Database
from isodose.storage.tables import metadata
from isodose.work import work_at

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
PATIENT = b'{"resourceType":"Patient","id":"p1","birthDate":"1960-01-01","multipleBirthInteger":1}'


def commands() -> list[list[str]]:
    """What the guide tells to type under PostgreSQL."""
    section = GUIDE.partition("### PostgreSQL\n")[2].partition("\n#")[0]
    return [shlex.split(line) for line in re.findall(r"^(?:pg_|createdb).*$", section, re.MULTILINE)]


def filled(url: str) -> dict[str, list[Any]]:
    """A database with something in the tables that matter most, and what is in all of them."""
    database = Database(url)
    with database.begin() as conn:
        work = work_at("http://127.0.0.1/fhir")(conn)
        work.resources.update("Patient", "p1", parse(PATIENT))
        record = PatientRecord(patient_id="p1", version=1)
        work.records.put(record)
        work.outbox.add("isodose.patient-record.v1", "p1", record_changed(record))
        caller = Caller(client="c", subject="s", user="", access=Granted(()), until=0)
        write(conn, [Access(Deed("read", "Patient", "p1", "", 200), caller, "", datetime.now(UTC))], "here")
    database.dispose()
    return held(url)


def held(url: str) -> dict[str, list[Any]]:
    database = Database(url)
    with database.read() as conn:
        found = {table.name: conn.execute(select(table)).all() for table in metadata.sorted_tables}
        assert verified(chain(conn)).broken_at is None
    database.dispose()
    return {name: sorted(map(repr, rows)) for name, rows in found.items()}


@pytest.mark.postgres
def test_what_was_dumped_is_restored_whole(new_postgresql: Callable[[], str], tmp_path: Path) -> None:
    for tool in ("pg_dump", "createdb", "pg_restore"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here: install PostgreSQL's client tools")
    source = new_postgresql()
    before = filled(source)
    assert len([rows for rows in before.values() if rows]) >= 5
    here = make_url(source)
    target = f"{here.database}_restored"
    server = f"{here.username}@{here.host}:{here.port}"
    for command in commands():
        typed = [
            word.replace("@db/ehr_ingestion_restored", f"@{here.host}:{here.port}/{target}")
            .replace("ehr_ingestion_restored", target)
            .replace("ehr_ingestion@db/ehr_ingestion", f"{server}/{here.database}")
            .replace("postgresql://ehr_ingestion@", f"postgresql://{here.username}@")
            .replace("--host=db", f"--host={here.host}")
            .replace("--username=postgres", f"--username={here.username}")
            .replace("--owner=ehr_ingestion", f"--owner={here.username}")
            for word in command
        ]
        if typed[0] == "createdb":
            typed.insert(1, f"--port={here.port}")
        done = subprocess.run(typed, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (typed, done.stderr)
    restored = here.set(database=target).render_as_string(hide_password=False)
    assert held(restored) == before
    database = Database(restored)
    database.check_schema()
    database.dispose()


def test_the_guide_says_how() -> None:
    assert [command[0] for command in commands()] == ["pg_dump", "createdb", "pg_restore"]
