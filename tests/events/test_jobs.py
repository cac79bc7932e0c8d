"""What is asked for in a transaction is done after its commit: once, again after a failure, by one runner."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from isodose.events import jobs
from isodose.events.jobs import GiveUpError, Handler, Job, JobRunner, LaterError, ask, standing
from isodose.events.set_aside import listed
from isodose.storage.database import Database

DRIVEN = Path(__file__).with_name("driven_jobs.py")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.01)


@contextmanager
def running(database: Database, handler: Handler, at_once: int = 4) -> Iterator[JobRunner]:
    runner = JobRunner(database, {"thing": handler}, poll_s=0.02, at_once=at_once)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def asked(database: Database, *keys: str, at: dt.datetime | None = None) -> None:
    with database.begin() as conn:
        ask(conn, "thing", *keys, at=at)


def _ask_and_fail(database: Database) -> None:
    with database.begin() as conn:
        ask(conn, "thing", "a")
        raise ZeroDivisionError


def left(database: Database) -> tuple[int, int]:
    with database.read() as conn:
        stand = standing(conn, ["thing"])["thing"]
    return stand.waiting, stand.failed


def test_each_thing_is_done_once_however_often_it_was_asked_for(database: Database, serving) -> None:
    done: list[str] = []
    for _ in range(3):
        asked(database, "a", "b", "a")
    with running(database, lambda job: done.append(job.key)):
        serving.eventually(lambda: left(database) == (0, 0) and len(done) == 2)
    assert sorted(done) == ["a", "b"]


def test_the_patients_of_a_large_hospital_can_be_asked_for_together(database: Database) -> None:
    asked(database, *(f"p{number}" for number in range(9_000)))
    assert left(database) == (9_000, 0)


def test_nothing_is_done_of_a_transaction_that_was_rolled_back(database: Database, serving) -> None:
    done: list[str] = []
    with running(database, lambda job: done.append(job.key)):
        with pytest.raises(ZeroDivisionError):
            _ask_and_fail(database)
        asked(database, "b")
        serving.eventually(lambda: done)
    assert done == ["b"]


def test_what_is_asked_for_while_it_is_being_done_is_done_again(database: Database, serving) -> None:
    begun, go = threading.Event(), threading.Event()
    versions: list[int] = []

    def slowly(job: Job) -> None:
        versions.append(job.version)
        begun.set()
        assert go.wait(10)

    with running(database, slowly):
        asked(database, "a")
        assert begun.wait(10)
        asked(database, "a")
        asked(database, "a")
        go.set()
        serving.eventually(lambda: left(database) == (0, 0) and len(versions) == 2)
    assert versions == [1, 3]


def test_an_outage_is_waited_out_and_a_fault_is_not(database: Database, serving, impatient) -> None:
    tried: list[str] = []

    def faulty(job: Job) -> None:
        tried.append(job.key)
        if job.key == "away" and job.attempts < 8:
            raise LaterError("the other system is away")
        if job.key == "fault":
            raise ZeroDivisionError
        if job.key == "refused":
            raise GiveUpError("the other system refuses it")

    asked(database, "away", "fault", "refused")
    with running(database, faulty):
        serving.eventually(lambda: left(database) == (0, 2))
    assert [tried.count(key) for key in ("away", "fault", "refused")] == [9, jobs.ATTEMPTS, 1]
    with database.read() as conn:
        said = {one.key: one.error for one in listed(conn)}
    assert said == {"fault": "ZeroDivisionError", "refused": "the other system refuses it"}


@pytest.mark.parametrize("outages", [0, 12])
def test_failures_are_counted_apart_from_outages(
    database: Database, serving, impatient, outages: int
) -> None:
    said: list[str] = []

    def away_then_faulty(job: Job) -> None:
        if len(said) < outages:
            said.append("away")
            raise LaterError("away") if len(said) % 2 else OperationalError("select", {}, Exception("away"))
        said.append("fault")
        raise ZeroDivisionError

    asked(database, "a")
    with running(database, away_then_faulty):
        serving.eventually(lambda: left(database) == (0, 1))
        assert said.count("fault") == jobs.ATTEMPTS
        asked(database, "a")
        serving.eventually(lambda: said.count("fault") > jobs.ATTEMPTS and left(database) == (0, 1))
    assert said.count("fault") == 2 * jobs.ATTEMPTS


def test_a_handler_counts_what_failed_apart_from_what_was_away(
    database: Database, serving, impatient
) -> None:
    seen: list[tuple[int, int]] = []

    def not_there_yet(job: Job) -> None:
        seen.append((job.attempts, job.failures))
        if len(seen) <= 6:
            raise LaterError("away")
        if job.failures < 2:
            raise LaterError("not found", failed=True)

    asked(database, "a")
    with running(database, not_there_yet):
        serving.eventually(lambda: left(database) == (0, 0))
    assert seen == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 1), (8, 2)]


def test_what_succeeds_now_and_then_is_not_set_aside(database: Database, serving, impatient) -> None:
    tried: list[Job] = []

    def every_fifth(job: Job) -> dt.datetime | None:
        tried.append(job)
        if len(tried) % jobs.ATTEMPTS:
            raise ZeroDivisionError
        return dt.datetime.now(dt.UTC) if len(tried) < 3 * jobs.ATTEMPTS else None

    asked(database, "a")
    with running(database, every_fifth):
        serving.eventually(lambda: len(tried) == 3 * jobs.ATTEMPTS and left(database) == (0, 0))


def test_what_was_set_aside_is_tried_again_when_it_is_asked_for_again(
    database: Database, serving, impatient
) -> None:
    well = threading.Event()

    def refused(job: Job) -> None:
        if not well.is_set():
            raise GiveUpError("no")

    with running(database, refused):
        asked(database, "a")
        serving.eventually(lambda: left(database) == (0, 1))
        well.set()
        asked(database, "a")
        serving.eventually(lambda: left(database) == (0, 0))


def test_asking_again_does_not_hurry_what_waits_after_a_failure(database: Database, serving) -> None:
    tried: list[int] = []

    def away(job: Job) -> None:
        tried.append(job.attempts)
        raise LaterError("away", after_s=60)

    with running(database, away):
        asked(database, "a")
        serving.eventually(lambda: left(database) == (1, 0) and tried)
        asked(database, "a")
        asked(database, "b")
        serving.eventually(lambda: len(tried) == 2)
    assert tried == [0, 0]


def test_a_job_for_later_waits_until_then_unless_it_is_asked_for_now(database: Database, serving) -> None:
    done: list[str] = []
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    asked(database, "a", "b", at=later)
    assert left(database) == (0, 0)
    asked(database, "a")
    with running(database, lambda job: done.append(job.key)):
        serving.eventually(lambda: done)
    assert done == ["a"]


def test_a_job_may_say_when_it_is_to_be_done_again(database: Database, serving) -> None:
    done: list[dt.datetime] = []

    def repeated(job: Job) -> dt.datetime | None:
        done.append(dt.datetime.now(dt.UTC))
        return done[-1] + dt.timedelta(milliseconds=30) if len(done) < 3 else None

    asked(database, "a")
    with running(database, repeated):
        serving.eventually(lambda: len(done) == 3)
    assert done[2] - done[0] >= dt.timedelta(milliseconds=60)


def test_different_things_are_done_at_once_and_no_more_than_allowed(database: Database, serving) -> None:
    together = threading.Barrier(3)
    most, now = [0], [0]
    lock = threading.Lock()

    def meeting(job: Job) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(10)
        with lock:
            now[0] -= 1

    asked(database, *"abcdef")
    with running(database, meeting, at_once=3):
        serving.eventually(lambda: left(database) == (0, 0))
    assert most == [3]


@pytest.mark.processes
@pytest.mark.parametrize("make", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_runner_that_is_killed_leaves_its_job_and_its_turn_to_the_next(
    make: str, request: pytest.FixtureRequest, serving
) -> None:
    new: Callable[[], str] = request.getfixturevalue(f"new_{make}")
    url = new()
    database = Database(url)
    asked(database, "a")
    killed = subprocess.Popen([sys.executable, str(DRIVEN), url], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "begun a\n"
    done: list[str] = []
    with running(database, lambda job: done.append(job.key)):
        threading.Event().wait(0.3)
        assert done == [], "one runner works at a time"
        killed.kill()
        killed.communicate()
        serving.eventually(lambda: left(database) == (0, 0) and done == ["a"])
    database.dispose()
