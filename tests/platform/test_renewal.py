"""A day or new knowledge renews everybody it concerns in batches: killed and resumed, shared, never stuck."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from isodose.assessment import Decider, Renewal, on_day_started, on_record_changed
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.storage.database import Database
from isodose.storage.tables import outbox
from opened import transactions

TODAY = dt.date(2026, 11, 23)
WEEK = dt.timedelta(days=7)
RENEWING = Path(__file__).with_name("renewing.py")


class Clinic:
    """Patients of one service on one database: records come in, days start, what is due is renewed."""

    def __init__(self, database: Database, decider: Decider) -> None:
        self.decider = decider
        self.writing, self.reading = transactions(database)

    def learns(self, *records: PatientRecord) -> None:
        with self.writing() as work:
            on_record_changed(self.decider)(work, [contract.record_changed(one) for one in records])

    def begins(self, day: dt.date) -> None:
        with self.writing() as work:
            on_day_started(self.decider)(work, [contract.day_started(day)])

    def renewal(self) -> Renewal:
        return Renewal(self.decider, self.writing, self.reading)

    def renews(self) -> list[int]:
        """Batches until nothing is left: how many patients each passed."""
        renewal, batches = self.renewal(), []
        while passed := renewal.run_once():
            batches.append(passed)
        return batches

    def knows(self, knowledge: Knowledge) -> None:
        self.decider = replace(self.decider, knowledge=knowledge)

    def told(self) -> list[tuple[str, str, str]]:
        """Patient, day and knowledge of each event, in order."""
        with self.reading() as work:
            values = work.conn.execute(select(outbox.c.value).order_by(outbox.c.seq)).scalars()
            data = [msgspec.json.decode(bytes(contract.decode(value).data)) for value in values]
        return [(one["patientId"], one["on"], one["knowledgeVersion"]) for one in data]

    def acknowledged(self) -> None:
        with self.writing() as work:
            work.conn.execute(outbox.update().values(published_at=dt.datetime.now(dt.UTC)))

    def failed(self) -> int:
        with self.reading() as work:
            going = work.passes.get("fitness")
        assert going is not None
        return going.failed


@pytest.fixture
def clinic(database: Database, decider: Decider) -> Clinic:
    return Clinic(database, decider)


@pytest.fixture
def other_knowledge(decider: Decider) -> Knowledge:
    entry = msgspec.structs.replace(decider.knowledge.entries["FIT"], statement="KPS of 70 or more")
    return Knowledge({"FIT": entry})


def test_a_new_day_decides_for_those_who_are_due_and_for_nobody_else(clinic: Clinic, a_record: Any) -> None:
    clinic.learns(a_record(1, 80, "p1"), a_record(1, 80, "p2"))
    clinic.decider = replace(clinic.decider, today=lambda: TODAY + dt.timedelta(days=3))
    clinic.learns(a_record(2, 80, "p2"))
    clinic.begins(TODAY + WEEK)
    assert clinic.renews() == [1]
    assert [(patient, day) for patient, day, _ in clinic.told()] == [
        ("p1", "2026-11-23"),
        ("p2", "2026-11-23"),
        ("p2", "2026-11-26"),
        ("p1", "2026-11-30"),
    ]


def test_a_new_day_renews_what_was_decided_with_other_knowledge(
    clinic: Clinic, a_record: Any, other_knowledge: Knowledge
) -> None:
    clinic.learns(*(a_record(1, 80, f"p{n:03}") for n in range(60)))
    before = clinic.decider.knowledge.version
    clinic.knows(other_knowledge)
    clinic.begins(TODAY)
    assert clinic.renews() == [25, 25, 10]
    assert Counter(version for *_, version in clinic.told()) == {before: 60, other_knowledge.version: 60}


def test_the_same_day_told_again_changes_nothing_and_an_earlier_one_is_not_gone_back_to(
    clinic: Clinic, a_record: Any
) -> None:
    clinic.learns(a_record(1, 80, "p1"))
    clinic.begins(TODAY + WEEK)
    clinic.renews()
    clinic.begins(TODAY + WEEK)
    assert clinic.renews() == []
    clinic.begins(TODAY)
    with clinic.reading() as work:
        going = work.passes.get("fitness")
    assert going is not None
    assert going.on == TODAY + WEEK


def test_a_pass_waits_while_the_log_is_behind(
    clinic: Clinic, a_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isodose.assessment.renewal.UNPUBLISHED", 30)
    clinic.learns(*(a_record(1, 80, f"p{n:03}") for n in range(31)))
    clinic.begins(TODAY + WEEK)
    assert clinic.renews() == []
    clinic.acknowledged()
    assert clinic.renews() == [25, 6]


def test_a_patient_on_whom_nothing_can_be_decided_stops_nobody_and_is_counted(
    clinic: Clinic, a_record: Any, caplog: pytest.LogCaptureFixture
) -> None:
    clinic.learns(*(a_record(1, 80, f"p{n:03}") for n in range(30)))
    well = clinic.decider.decide

    def poisoned(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
        if record.patient_id == "p007":
            raise ValueError("p007 cannot be judged")
        return well(record, knowledge, on)

    clinic.decider = replace(clinic.decider, decide=poisoned)
    clinic.begins(TODAY + WEEK)
    clinic.renews()
    renewed = [patient for patient, day, _ in clinic.told() if day == "2026-11-30"]
    assert renewed == [f"p{n:03}" for n in range(30) if n != 7]
    assert clinic.failed() == 1
    assert "p007" not in caplog.text
    clinic.decider = replace(clinic.decider, decide=well)
    clinic.begins(TODAY + WEEK + dt.timedelta(days=1))
    assert clinic.renews() == [1]
    assert clinic.failed() == 0


def test_knowledge_of_another_version_leaves_a_pass_to_those_who_have_it(
    clinic: Clinic, a_record: Any, other_knowledge: Knowledge
) -> None:
    clinic.learns(a_record(1, 80, "p1"))
    clinic.begins(TODAY + WEEK)
    before = clinic.decider
    clinic.knows(other_knowledge)
    assert clinic.renews() == []
    clinic.decider = before
    assert clinic.renews() == [1]


def test_a_second_replica_goes_on_where_the_first_stands(clinic: Clinic, a_record: Any) -> None:
    clinic.learns(*(a_record(1, 80, f"p{n:03}") for n in range(70)))
    clinic.begins(TODAY + WEEK)
    one, two = clinic.renewal(), clinic.renewal()
    assert [one.run_once(), two.run_once(), one.run_once(), two.run_once()] == [25, 25, 20, 0]
    renewed = Counter(patient for patient, day, _ in clinic.told() if day == "2026-11-30")
    assert set(renewed.values()) == {1}
    assert len(renewed) == 70


PATIENTS = 200


@pytest.fixture
def full(clinic: Clinic, a_record: Any) -> Clinic:
    """A clinic of 200, all due, whose events the log has acknowledged."""
    clinic.learns(*(a_record(1, 80, f"p{n:03}") for n in range(PATIENTS)))
    clinic.acknowledged()
    clinic.begins(TODAY + WEEK)
    return clinic


@pytest.fixture
def renew(database_url: str) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(RENEWING), database_url]
        places = os.environ | {"PYTHONPATH": str(RENEWING.parents[1])}
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=places))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _lines(process: subprocess.Popen[str], wanted: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(wanted)]


@pytest.mark.processes
def test_killed_in_the_middle_a_pass_goes_on_where_it_stood_and_renews_each_patient_once(
    full: Clinic, renew: Callable[[], subprocess.Popen[str]]
) -> None:
    killed = renew()
    assert _lines(killed, 3) == ["passed 25"] * 3
    killed.kill()
    killed.wait()
    at_death = len(_renewed(full))
    assert 75 <= at_death < PATIENTS
    assert at_death % 25 == 0
    assert sum(full.renews()) == PATIENTS - at_death
    assert _renewed(full) == Counter({f"p{n:03}": 1 for n in range(PATIENTS)})
    with full.reading() as work:
        going = work.passes.get("fitness")
    assert going is not None
    assert going.finished_at is not None


def _renewed(clinic: Clinic) -> Counter[str]:
    return Counter(patient for patient, day, _ in clinic.told() if day == "2026-11-30")
