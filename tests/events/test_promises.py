"""Nothing is lost between commit and publish; effects happen once; a poison message stops nobody."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from isodose.clinical.record import PatientRecord
from isodose.events import contract, dead_letters
from isodose.events.consumer import Consumer
from isodose.events.contract import DAYS, RECORDS, Event, day_started, decode, encode, record_changed
from isodose.events.embedded_log import EmbeddedLog
from isodose.events.log import LogUnavailable, Record
from isodose.events.outbox import Outbox, Relay
from isodose.storage.database import Database
from isodose.storage.tables import outbox, patient_record

DAY = dt.date(2026, 11, 23)


class Deaf(EmbeddedLog):
    """A log that stores and then fails to acknowledge, or fails before storing, as told."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.fails = ""

    def publish(self, records: Sequence[Record]) -> None:
        if self.fails != "before":
            super().publish(records)
        if self.fails:
            raise LogUnavailable("told to")


@pytest.fixture
def log(tmp_path: Path) -> Deaf:
    return Deaf(str(tmp_path / "events.db"))


def _add(database: Database, *patients: str, version: int = 1) -> None:
    with database.begin() as conn:
        for patient in patients:
            Outbox(conn).add(
                RECORDS, patient, record_changed(PatientRecord(patient_id=patient, version=version))
            )


def _published(log: Deaf, topic: str = RECORDS) -> list[str | None]:
    subscription = log.subscribe("test", [topic], lambda _topic, _partition: None)
    found = [one.key for one in subscription.poll(0.05)]
    subscription.close()
    return found


def _waiting(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).where(outbox.c.published_at.is_(None))).scalar_one())


def test_rows_are_published_in_order_and_marked_once_acknowledged(database: Database, log: Deaf) -> None:
    _add(database, "a", "b", "a")
    assert Relay(database, log).run_once() == 3
    assert _published(log) == ["a", "b", "a"]
    assert _waiting(database) == 0
    assert Relay(database, log).run_once() == 0


def test_a_rolled_back_cause_publishes_nothing(database: Database, log: Deaf) -> None:
    with pytest.raises(RuntimeError), database.begin() as conn:
        Outbox(conn).add(DAYS, None, day_started(DAY))
        raise RuntimeError
    assert Relay(database, log).run_once() == 0


@pytest.mark.parametrize("fails", ["before", "after"])
def test_without_an_acknowledgement_a_row_waits_and_leaves_later(
    database: Database, log: Deaf, fails: str
) -> None:
    _add(database, "a")
    log.fails = fails
    with pytest.raises(LogUnavailable):
        Relay(database, log).run_once()
    assert _waiting(database) == 1
    log.fails = ""
    assert Relay(database, log).run_once() == 1
    assert _published(log) == ["a"] * (1 if fails == "before" else 2)


@pytest.mark.postgres
def test_one_relay_works_at_a_time(new_postgresql: Any, log: Deaf) -> None:
    database = Database(new_postgresql())
    _add(database, "a")
    inside, leave = threading.Event(), threading.Event()

    class Slow(Deaf):
        def publish(self, records: Sequence[Record]) -> None:
            inside.set()
            leave.wait(10)
            super().publish(records)

    slow = threading.Thread(target=Relay(database, Slow(log._path)).run_once)
    slow.start()
    inside.wait(10)
    assert Relay(database, log).run_once() == 0
    leave.set()
    slow.join()
    assert _published(log) == ["a"]
    database.dispose()


def _keep(conn: Connection, event: Event) -> None:
    """An effect that shows when it happened twice: the primary key would refuse it."""
    record = msgspec.json.decode(bytes(event.data), type=PatientRecord)
    conn.execute(patient_record.insert().values(patient_id=record.patient_id, version=1, content=event.id))


def _consumer(database: Database, log: Deaf, handler: Any = _keep, **given: Any) -> Consumer:
    return Consumer(
        group="test",
        database=database,
        log=log,
        handlers={RECORDS: handler},
        work=lambda conn: conn,
        backoff=0.0,
        **given,
    )


def _kept(database: Database) -> list[str]:
    with database.read() as conn:
        return list(
            conn.execute(select(patient_record.c.patient_id).order_by(patient_record.c.patient_id)).scalars()
        )


def _publish(log: Deaf, *patients: str) -> None:
    log.publish([Record(RECORDS, p, encode(record_changed(PatientRecord(patient_id=p)))) for p in patients])


def test_a_redelivery_does_nothing(database: Database, log: Deaf) -> None:
    _publish(log, "a", "b")
    for _ in range(2):
        consumer = _consumer(database, log, retries=1)
        consumer.run_once()
        consumer._position = lambda _topic, _partition: 0  # type: ignore[method-assign]
        consumer._resubscribe()
        consumer.run_once()
        consumer.stop()
    assert _kept(database) == ["a", "b"]
    with database.read() as conn:
        assert dead_letters.waiting(conn) == []


def test_a_crash_in_the_middle_leaves_neither_effect_nor_position(database: Database, log: Deaf) -> None:
    _publish(log, "a", "b")

    def dies(conn: Connection, event: Event) -> None:
        _keep(conn, event)
        if event.subject == "b":
            raise SystemExit

    consumer = _consumer(database, log, dies)
    with pytest.raises(SystemExit):
        consumer.run_once()
    assert _kept(database) == ["a"]
    again = _consumer(database, log)
    again.run_once()
    again.stop()
    assert _kept(database) == ["a", "b"]


def test_a_poison_message_is_set_aside_and_stops_nobody(database: Database, log: Deaf) -> None:
    _publish(log, "a")
    log.publish([Record(RECORDS, "bad", b"not an event")])
    _publish(log, "c")
    consumer = _consumer(database, log, retries=3)
    consumer.run_once()
    consumer.stop()
    assert _kept(database) == ["a", "c"]
    with database.read() as conn:
        letters = dead_letters.waiting(conn)
    assert [(one.key, one.attempts, one.group) for one in letters] == [("bad", 3, "test")]
    assert "DecodeError" in letters[0].error
    assert "not an event" not in letters[0].error


def test_a_replayed_letter_takes_effect_once(database: Database, log: Deaf) -> None:
    _publish(log, "a")

    def refuses(_conn: Connection, _event: Event) -> None:
        raise ValueError

    consumer = _consumer(database, log, refuses, retries=2)
    consumer.run_once()
    consumer.stop()
    with database.read() as conn:
        letter = dead_letters.waiting(conn)[0]
    with pytest.raises(ValueError):  # noqa: PT011
        dead_letters.replay(database, letter, {RECORDS: refuses}, lambda conn: conn)
    for _ in range(2):
        dead_letters.replay(database, letter, {RECORDS: _keep}, lambda conn: conn)
    assert _kept(database) == ["a"]
    with database.read() as conn:
        assert dead_letters.waiting(conn) == []


def test_a_failing_event_is_tried_again_before_it_is_set_aside(database: Database, log: Deaf) -> None:
    _publish(log, "a")
    tries = []

    def third_time(conn: Connection, event: Event) -> None:
        tries.append(event.id)
        if len(tries) < 3:
            raise ValueError
        _keep(conn, event)

    consumer = _consumer(database, log, third_time)
    consumer.run_once()
    consumer.stop()
    assert (len(tries), _kept(database)) == (3, ["a"])


def test_an_event_is_a_cloud_event() -> None:
    members = msgspec.json.decode(
        encode(record_changed(PatientRecord(patient_id="p1", version=4), "00-a-b-01"))
    )
    assert (members["specversion"], members["type"]) == ("1.0", "isodose.patient-record.changed")
    assert (members["subject"], members["traceparent"]) == ("p1", "00-a-b-01")
    assert members["data"] == {"patient_id": "p1", "version": 4}
    assert decode(encode(day_started(DAY))).subject is None


def test_a_record_too_large_for_an_event_is_referred_to_and_never_cut() -> None:
    read = tuple(f"Observation/{'x' * 40}-{i}" for i in range(20_000))
    event = record_changed(PatientRecord(patient_id="p1", version=4, read=read))
    assert event.dataref == "patient-record/p1/4"
    assert bytes(event.data) == b"null"
    with pytest.raises(contract.TooLargeError):
        contract.data_of(event)
    assert contract.data_of(event, lambda ref: ref.encode()) == b"patient-record/p1/4"
