"""A relay that is told to stop publishes what was committed before; one whose log is away holds up nobody."""

from __future__ import annotations

import time
from collections.abc import Sequence

from isodose.clinical.record import PatientRecord
from isodose.events.contract import record_changed
from isodose.events.log import LogUnavailable, Record
from isodose.events.outbox import Outbox, Relay, waiting
from isodose.storage.database import Database

TOPIC = "isodose.patient-record.v1"


class Away:
    """A log that acknowledges nothing."""

    def publish(self, records: Sequence[Record]) -> None:
        raise LogUnavailable("away")


def commit(database: Database, count: int) -> None:
    with database.begin() as conn:
        for n in range(count):
            Outbox(conn).add(TOPIC, f"p{n}", record_changed(PatientRecord(patient_id=f"p{n}", version=1)))


def left(database: Database) -> int:
    with database.read() as conn:
        return waiting(conn)[0]


def test_what_was_committed_before_the_stop_leaves(database, event_log):
    relay = Relay(database, event_log, poll_s=60)
    relay.start()
    time.sleep(0.3)
    commit(database, 3)
    assert left(database) == 3
    relay.stop()
    assert left(database) == 0


def test_a_log_that_is_away_does_not_hold_the_stop(database):
    commit(database, 3)
    relay = Relay(database, Away())
    relay.start()
    until = time.monotonic() + 10
    while relay.last_error is None and time.monotonic() < until:
        time.sleep(0.02)
    began = time.monotonic()
    relay.stop()
    assert relay.last_error == "LogUnavailable"
    assert time.monotonic() - began < 4
    assert left(database) == 3


def test_a_relay_whose_log_is_away_leaves_its_turn_to_another(database, event_log):
    commit(database, 3)
    cut_off, other = Relay(database, Away()), Relay(database, event_log)
    cut_off.start()
    until = time.monotonic() + 10
    while cut_off.last_error is None and time.monotonic() < until:
        time.sleep(0.02)
    published = 0
    while not published and time.monotonic() < until:
        published = other.run_once()
    assert published == 3
    cut_off.stop()
    other.stop()
