"""Real processes, killed without warning: nothing is lost, and no effect happens twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from isodose.clinical.record import PatientRecord
from isodose.events.contract import decode, record_changed
from isodose.events.log import open_log
from isodose.events.outbox import Outbox
from isodose.storage.database import Database
from isodose.storage.tables import outbox

pytestmark = pytest.mark.processes
DRIVEN = Path(__file__).with_name("driven.py")
TOPIC = "isodose.patient-record.v1"
Driven = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(
    params=["alone", pytest.param("apart", marks=[pytest.mark.kafka, pytest.mark.postgres])],
    ids=["sqlite-embedded", "postgresql-kafka"],
)
def urls(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> tuple[str, str]:
    """A database and a log: once both as files, once PostgreSQL and Kafka."""
    if request.param == "alone":
        return request.getfixturevalue("new_sqlite")(), f"sqlite:///{tmp_path / 'events.db'}"
    kafka = request.getfixturevalue("kafka_url")
    return request.getfixturevalue("new_postgresql")(), f"{kafka}?prefix={topic_prefix}"


@pytest.fixture
def service_database(urls) -> Iterator[Database]:
    opened = Database(urls[0])
    with opened.begin() as conn:
        conn.execute(text("CREATE TABLE effect (subject TEXT)"))
    yield opened
    opened.dispose()


@pytest.fixture
def drive(urls) -> Iterator[Driven]:
    started: list[subprocess.Popen[str]] = []

    def start(what: str, where: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(DRIVEN), what, *urls, where, *more]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def await_line(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(wanted):
            return
    raise AssertionError(f"the process ended with {process.wait()} before it said {wanted!r}")


def commit_events(database: Database, count: int) -> None:
    with database.begin() as conn:
        for n in range(count):
            Outbox(conn).add(TOPIC, f"p{n}", record_changed(PatientRecord(patient_id=f"p{n}", version=1)))


def on_the_log(log_url: str, count: int) -> Counter[str | None]:
    """How often each patient's event stands on the log, once at least `count` are there."""
    log = open_log(log_url)
    subscription = log.subscribe("witness", [TOPIC], lambda topic, partition: None)
    seen: Counter[str | None] = Counter()
    until = time.monotonic() + 20
    while time.monotonic() < until and (seen.total() < count or subscription.poll(0.3)):
        seen.update(decode(one.value).subject for one in subscription.poll(0.3) if one.value)
    subscription.close()
    log.close()
    return seen


def unpublished(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).where(outbox.c.published_at.is_(None))).scalar_one())


def effects(database: Database) -> Counter[str]:
    with database.read() as conn:
        return Counter(conn.execute(text("SELECT subject FROM effect")).scalars())


def test_a_relay_killed_between_commit_and_publish_loses_nothing(urls, service_database, drive):
    commit_events(service_database, 5)
    killed = drive("relay", "stall-before")
    await_line(killed, "ready")
    killed.kill()
    killed.wait()
    assert unpublished(service_database) == 5
    await_line(drive("relay", "go"), "done 5")
    assert unpublished(service_database) == 0
    assert on_the_log(urls[1], 5) == Counter({f"p{n}": 1 for n in range(5)})


def test_a_relay_killed_between_publish_and_marking_publishes_again(urls, service_database, drive):
    commit_events(service_database, 5)
    killed = drive("relay", "stall-after")
    await_line(killed, "ready")
    killed.kill()
    killed.wait()
    assert unpublished(service_database) == 5
    await_line(drive("relay", "go"), "done 5")
    assert on_the_log(urls[1], 10) == Counter({f"p{n}": 2 for n in range(5)})


def test_a_second_relay_of_the_same_database_waits_until_the_first_is_gone(service_database, drive):
    commit_events(service_database, 3)
    first = drive("relay", "stall-before")
    await_line(first, "ready")
    second = drive("relay", "go")
    await_line(second, "started")
    time.sleep(0.5)
    assert second.poll() is None
    assert unpublished(service_database) == 3
    first.kill()
    await_line(second, "done 3")


def test_a_consumer_killed_between_handling_and_commit_takes_effect_once(urls, service_database, drive):
    commit_events(service_database, 5)
    await_line(drive("relay", "go"), "done 5")
    killed = drive("consume", "stall", "5")
    await_line(killed, "ready")
    killed.kill()
    killed.wait()
    assert effects(service_database) == Counter()
    await_line(drive("consume", "go", "5"), "done 5")
    assert effects(service_database) == Counter({f"p{n}": 1 for n in range(5)})
