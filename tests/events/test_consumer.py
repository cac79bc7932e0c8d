"""Effects happen once, in order, and a message that cannot be handled stops nobody."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, select, text

from isodose.clinical.record import PatientRecord
from isodose.events import dead_letters
from isodose.events.consumer import Consumer, position
from isodose.events.contract import Event, encode, record_changed
from isodose.events.log import Delivered, EventLog, LogUnavailable, Record
from isodose.events.outbox import BATCH, Outbox, Relay, waiting
from isodose.storage.database import Database
from isodose.storage.tables import outbox

TOPIC = "isodose.patient-record.v1"
Consume = Callable[..., Consumer]


def changed(patient_id: str, version: int = 1) -> Event:
    return record_changed(PatientRecord(patient_id=patient_id, version=version))


def publish(log: EventLog, *patient_ids: str) -> None:
    log.publish([Record(TOPIC, one, encode(changed(one))) for one in patient_ids])


def note(conn: Connection, events: Sequence[Event]) -> None:
    for event in events:
        conn.execute(text("INSERT INTO effect VALUES (:subject)"), {"subject": event.subject})


def poisoned_for(*patient_ids: str) -> Callable[[Connection, Sequence[Event]], None]:
    """A handler that writes and then fails for some patients."""

    def handler(conn: Connection, events: Sequence[Event]) -> None:
        note(conn, events)
        if any(event.subject in patient_ids for event in events):
            raise ValueError("cannot be handled")

    return handler


@pytest.fixture
def noting(database: Database) -> Database:
    with database.begin() as conn:
        conn.execute(text("CREATE TABLE effect (subject TEXT)"))
    return database


@pytest.fixture
def consume(noting: Database, event_log: EventLog) -> Iterator[Consume]:
    opened: list[Consumer] = []

    def make(handler: Any = note, log: Any = None, **more: Any) -> Consumer:
        more = {"retries": 2, "backoff": 0.001} | more
        consumer = Consumer("g", noting, log or event_log, {TOPIC: handler}, lambda conn: conn, **more)
        opened.append(consumer)
        return consumer

    yield make
    for consumer in opened:
        consumer.stop()


def run(consumer: Consumer, count: int, within_s: float = 20) -> None:
    done, until = 0, time.monotonic() + within_s
    while done < count and time.monotonic() < until:
        done += consumer.run_once(0.2)
    assert done == count


def effects(database: Database) -> list[str]:
    with database.read() as conn:
        return list(conn.execute(text("SELECT subject FROM effect ORDER BY subject")).scalars())


def test_each_message_takes_effect_once_although_all_are_delivered_again(noting, event_log, consume):
    publish(event_log, "a", "b", "c")
    first = consume()
    run(first, 3)
    first.close()
    publish(event_log, "d")
    run(consume(), 1)
    assert effects(noting) == ["a", "b", "c", "d"]


class Repeating:
    """A log whose subscription delivers the same records over and over."""

    def __init__(self, delivered: Sequence[Delivered]) -> None:
        self.delivered = list(delivered)

    def subscribe(self, *_: object) -> Repeating:
        return self

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Delivered]:
        return self.delivered

    def at_end(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is held."""


def delivered(patient_id: str, offset: int) -> Delivered:
    return Delivered(TOPIC, patient_id, encode(changed(patient_id)), {}, partition=0, offset=offset)


def test_a_redelivery_does_nothing(noting):
    log = Repeating([delivered("a", 0), delivered("b", 1)])
    consumer = Consumer("g", noting, log, {TOPIC: note}, lambda conn: conn)  # type: ignore[arg-type]
    for _ in range(3):
        consumer.run_once()
    assert effects(noting) == ["a", "b"]


def test_a_member_that_stood_still_does_not_take_the_group_back(noting):
    """It wakes with messages in hand which the member that took its partition has long passed."""
    messages = [delivered(f"p{offset}", offset) for offset in range(4)]
    awake, late = (
        Consumer("g", noting, Repeating(some), {TOPIC: note}, lambda conn: conn)  # type: ignore[arg-type]
        for some in (messages, messages[:2])
    )
    for consumer in (awake, late, awake):
        consumer.run_once()
    assert effects(noting) == ["p0", "p1", "p2", "p3"]
    with noting.read() as conn:
        assert position(conn, "g", TOPIC, 0) == 4


def test_groups_take_effect_independently(noting):
    log = Repeating([delivered("a", 0)])
    for group in ("g", "h"):
        Consumer(group, noting, log, {TOPIC: note}, lambda conn: conn).run_once()  # type: ignore[arg-type]
    assert effects(noting) == ["a", "a"]


def test_a_poison_message_is_set_aside_whole_and_the_others_go_on(noting, event_log, consume):
    publish(event_log, "a", "poison", "b", "c")
    run(consume(poisoned_for("poison")), 4)
    assert effects(noting) == ["a", "b", "c"]
    [letter] = dead_letters.listed(noting, "g")
    assert (letter.topic, letter.attempts) == (TOPIC, 2)
    assert letter.error == "ValueError: cannot be handled"


def test_what_is_not_an_event_is_set_aside_without_trying_again(noting, event_log, consume):
    event_log.publish([Record(TOPIC, "a", b"\xff not an event"), Record(TOPIC, "b", b'{"id": 1}')])
    publish(event_log, "c")
    run(consume(), 3)
    assert effects(noting) == ["c"]
    assert [letter.attempts for letter in dead_letters.listed(noting)] == [1, 1]


def test_a_tombstone_is_passed(noting, event_log, consume):
    event_log.publish([Record(TOPIC, "a", None)])
    run(consume(), 1)
    assert effects(noting) == []
    assert dead_letters.listed(noting) == []


def replayed(noting, letter_id, handler=note) -> bool:
    with noting.begin() as conn:
        return dead_letters.replay(conn, letter_id, {TOPIC: handler}, lambda conn: conn)


def test_a_dead_letter_is_replayed_once_the_cause_is_mended(noting, event_log, consume):
    publish(event_log, "poison", "a")
    run(consume(poisoned_for("poison")), 2)
    [letter] = dead_letters.listed(noting)
    with pytest.raises(ValueError, match="cannot be handled"):
        replayed(noting, letter.id, poisoned_for("poison"))
    assert effects(noting) == ["a"]
    assert dead_letters.listed(noting) == [letter]
    assert replayed(noting, letter.id)
    assert effects(noting) == ["a", "poison"]
    assert dead_letters.listed(noting) == []
    assert not replayed(noting, letter.id)
    assert effects(noting) == ["a", "poison"]


def test_a_dead_letter_that_was_dismissed_waits_no_more_and_is_not_handled(noting, event_log, consume):
    publish(event_log, "poison", "a")
    run(consume(poisoned_for("poison")), 2)
    [letter] = dead_letters.listed(noting)
    with noting.begin() as conn:
        assert dead_letters.count(conn) == 1
        assert dead_letters.dismiss(conn, letter.id, "sent by mistake")
        assert dead_letters.count(conn) == 0
        assert not dead_letters.dismiss(conn, letter.id, "again")
    assert dead_letters.listed(noting) == []
    assert [one.reason for one in dead_letters.listed(noting, "g", dismissed=True)] == ["sent by mistake"]
    assert not replayed(noting, letter.id)
    assert effects(noting) == ["a"]


@pytest.mark.parametrize("keys", [["a"], ["a", "b"]], ids=["alone", "together"])
def test_while_something_is_away_the_message_waits_and_is_not_given_up(noting, event_log, consume, keys):
    away = ["once", "twice", "three times"]

    def handler(conn: Connection, events: Sequence[Event]) -> None:
        note(conn, events)
        if away:
            raise LogUnavailable(away.pop())

    publish(event_log, *keys)
    consumer = consume(handler)
    for _ in range(3):
        with pytest.raises(LogUnavailable):
            run(consumer, len(keys))
    run(consumer, len(keys))
    assert effects(noting) == keys
    assert dead_letters.listed(noting) == []


def test_data_that_went_by_claim_check_are_there_for_the_handler(noting):
    large = replace(changed("a"), dataref="patient-record/a/1")
    message = Delivered(TOPIC, "a", encode(large), {}, partition=0, offset=0)
    seen: list[bytes] = []
    consumer = Consumer(
        "g",
        noting,
        Repeating([message]),  # type: ignore[arg-type]
        {TOPIC: lambda _conn, events: seen.extend(bytes(event.data) for event in events)},
        lambda conn: conn,
        claims=lambda ref: f'{{"claimed": "{ref}"}}'.encode(),
    )
    consumer.run_once()
    assert seen == [b'{"claimed": "patient-record/a/1"}']


def test_from_commit_to_effect_takes_well_under_a_second(noting, event_log, consume):
    relay, consumer = Relay(noting, event_log), consume()
    relay.start()
    consumer.start()
    took = []
    for n in range(6):
        with noting.begin() as conn:
            Outbox(conn).add(TOPIC, f"p{n}", changed(f"p{n}"))
        started = time.monotonic()
        relay.wake()
        while f"p{n}" not in effects(noting):
            assert time.monotonic() - started < 20
            time.sleep(0.005)
        took.append(time.monotonic() - started)
    assert relay.is_alive()
    assert (relay.last_error, consumer.last_error) == (None, None)
    relay.stop()
    consumer.stop()
    assert not relay.is_alive()
    assert not consumer.is_alive()
    assert sorted(took)[3] < 0.5


def test_a_rolled_back_transaction_publishes_nothing(noting, event_log):
    with noting.engine.connect() as conn:
        Outbox(conn).add(TOPIC, "a", changed("a"))
        conn.rollback()
    relay = Relay(noting, event_log)
    assert relay.run_once() == 0
    relay.stop()


class Deaf:
    """A log that takes records and acknowledges none while it is deaf."""

    def __init__(self) -> None:
        self.deaf = True
        self.taken: list[str | None] = []

    def publish(self, records: Sequence[Record]) -> None:
        self.taken += [one.key for one in records]
        if self.deaf:
            raise LogUnavailable("no acknowledgement")


def test_rows_leave_in_their_order_and_are_marked_only_after_the_log_acknowledged_them(noting):
    with noting.begin() as conn:
        for key in ("a", "b", "c"):
            Outbox(conn).add(TOPIC, key, changed(key))
    log = Deaf()
    relay = Relay(noting, log)  # type: ignore[arg-type]
    with pytest.raises(LogUnavailable):
        relay.run_once()
    with noting.read() as conn:
        assert conn.execute(select(outbox.c.published_at)).scalars().all() == [None, None, None]
    log.deaf = False
    assert (relay.run_once(), relay.run_once()) == (3, 0)
    assert log.taken == ["a", "b", "c", "a", "b", "c"]
    assert relay.prune(keep=dt.timedelta(days=1)) == 0
    assert relay.prune(keep=dt.timedelta(0)) == 3
    relay.stop()


def test_a_relay_rests_only_when_it_took_all_that_waited(noting):
    with noting.begin() as conn:
        Outbox(conn).add_all(TOPIC, [(f"p{n}", changed(f"p{n}")) for n in range(BATCH + 1)])
    log = Deaf()
    log.deaf = False
    relay = Relay(noting, log, poll_s=60)  # type: ignore[arg-type]
    relay.start()
    until = time.monotonic() + 20
    while len(log.taken) <= BATCH:
        assert time.monotonic() < until
        time.sleep(0.01)
    relay.stop()
    assert len(log.taken) == BATCH + 1


def test_a_relay_outlives_a_log_that_is_away_and_says_so(noting):
    with noting.begin() as conn:
        Outbox(conn).add(TOPIC, "a", changed("a"))
    log = Deaf()
    relay = Relay(noting, log, poll_s=0.01)  # type: ignore[arg-type]
    relay.start()
    until = time.monotonic() + 10
    while relay.last_error is None and time.monotonic() < until:
        time.sleep(0.01)
    assert relay.last_error == "LogUnavailable"
    assert relay.is_alive()
    log.deaf = False
    while relay.last_error is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert relay.last_error is None
    relay.stop()


def test_an_event_for_an_unknown_topic_or_too_large_is_refused_before_it_is_committed(noting):
    large = replace(changed("a"), source="x" * 1_100_000)
    with noting.begin() as conn:
        with pytest.raises(ValueError, match="no topic"):
            Outbox(conn).add("unknown", "a", changed("a"))
        with pytest.raises(ValueError, match="the log takes"):
            Outbox(conn).add(TOPIC, "a", large)


def test_a_mistake_in_a_statement_is_set_aside_and_not_waited_out(noting):
    def mistaken(conn: Connection, events: Sequence[Event]) -> None:
        conn.execute(text("INSERT INTO no_such_table VALUES (1)"))

    log = Repeating([delivered("a", 0)])
    Consumer("g", noting, log, {TOPIC: mistaken}, lambda conn: conn, retries=1).run_once()  # type: ignore[arg-type]
    [letter] = dead_letters.listed(noting)
    assert letter.error.split(":")[0] in {"OperationalError", "ProgrammingError"}


def test_lag_is_what_the_log_holds_beyond_what_has_taken_effect(
    consume: Consume, event_log: EventLog
) -> None:
    away = {"p3", "p4"}

    def waiting_for_two(conn: Connection, events: Sequence[Event]) -> None:
        if any(event.subject in away for event in events):
            raise ConnectionError
        note(conn, events)

    consumer = consume(waiting_for_two)
    assert consumer.lag() == {TOPIC: 0}
    publish(event_log, "p1", "p2", "p3", "p4")
    until = time.monotonic() + 20
    while consumer.lag()[TOPIC] == 0 and time.monotonic() < until:
        with contextlib.suppress(ConnectionError):
            consumer.run_once(0.2)
    assert consumer.lag()[TOPIC] >= 2
    away.clear()
    while consumer.lag()[TOPIC] and time.monotonic() < until:
        consumer.run_once(0.2)
    assert consumer.lag() == {TOPIC: 0}


def test_what_waits_in_the_outbox_is_counted_and_its_age_is_known(
    database: Database, event_log: EventLog
) -> None:
    with database.begin() as conn:
        assert waiting(conn) == (0, dt.timedelta())
        Outbox(conn).add(TOPIC, "p1", changed("p1"))
        Outbox(conn).add(TOPIC, "p2", changed("p2"))
    with database.begin() as conn:
        conn.execute(
            outbox.update()
            .where(outbox.c.key == "p1")
            .values(created_at=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5))
        )
    with database.read() as conn:
        many, age = waiting(conn)
    assert many == 2
    assert dt.timedelta(minutes=5) <= age < dt.timedelta(minutes=6)
    Relay(database, event_log).run_once()
    with database.read() as conn:
        assert waiting(conn) == (0, dt.timedelta())
