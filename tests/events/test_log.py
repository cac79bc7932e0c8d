"""What both logs promise, in one suite over the embedded log and a real Apache Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from isodose.events.log import Delivered, EventLog, PositionBeyondEnd, Record, Subscription, open_log

TOPIC = "isodose.patient-record.v1"
DAYS = "isodose.day-started.v1"


def from_the_beginning(topic: str, partition: int) -> int | None:
    return None


@pytest.fixture
def subscribe(event_log: EventLog) -> Iterator[Callable[..., Subscription]]:
    opened: list[Subscription] = []

    def open_one(group: str = "readers", start=from_the_beginning, topics=(TOPIC,)) -> Subscription:
        opened.append(event_log.subscribe(group, topics, start))
        return opened[-1]

    yield open_one
    for subscription in opened:
        subscription.close()


def take(subscription: Subscription, count: int, within_s: float = 20) -> list[Delivered]:
    """At least `count` records, or what came within the time."""
    found: list[Delivered] = []
    until = time.monotonic() + within_s
    while len(found) < count and time.monotonic() < until:
        found += subscription.poll(0.2)
    return found


def numbered(count: int, keys: int) -> list[Record]:
    return [Record(TOPIC, f"p{n % keys}", str(n).encode(), {"n": str(n)}) for n in range(count)]


def test_records_of_one_key_arrive_in_the_order_they_were_published(event_log, subscribe):
    event_log.publish(numbered(60, keys=7)[:30])
    event_log.publish(numbered(60, keys=7)[30:])
    found = take(subscribe(), 60)
    assert sorted(int(r.value) for r in found) == list(range(60))
    for key in {r.key for r in found}:
        values = [int(r.value) for r in found if r.key == key]
        assert values == sorted(values)
    assert len({r.partition for r in found}) > 1


def test_headers_and_tombstones_travel(event_log, subscribe):
    event_log.publish([Record(TOPIC, "p1", None, {"traceparent": "00-ab-cd-01"})])
    [found] = take(subscribe(), 1)
    assert (found.key, found.value, dict(found.headers)) == ("p1", None, {"traceparent": "00-ab-cd-01"})


def test_a_record_without_a_key_travels(event_log, subscribe):
    event_log.publish([Record(DAYS, None, b"today")])
    [found] = take(subscribe(topics=(DAYS,)), 1)
    assert (found.key, found.value, found.partition) == (None, b"today", 0)


def test_a_subscriber_resumes_at_the_position_it_names(event_log, subscribe):
    event_log.publish([Record(DAYS, None, str(n).encode()) for n in range(10)])
    found = take(subscribe(start=lambda topic, partition: 6, topics=(DAYS,)), 4)
    assert [r.value for r in found] == [b"6", b"7", b"8", b"9"]
    assert [r.offset for r in found] == [6, 7, 8, 9]


def test_what_was_delivered_is_delivered_again_when_the_position_did_not_move(event_log, subscribe):
    event_log.publish(numbered(5, keys=2))
    first = subscribe()
    assert len(take(first, 5)) == 5
    first.close()
    assert len(take(subscribe(), 5)) == 5


def test_two_groups_each_get_everything(event_log, subscribe):
    event_log.publish(numbered(8, keys=4))
    assert len(take(subscribe("one"), 8)) == 8
    assert len(take(subscribe("two"), 8)) == 8


def test_members_of_one_group_share_the_partitions(event_log, subscribe):
    first, second = subscribe(), subscribe()
    until = time.monotonic() + 40
    shares: tuple[set[int], set[int]] = (set(), set())
    round_ = 0
    while time.monotonic() < until:
        round_ += 1
        event_log.publish([Record(TOPIC, f"k{n}", str(round_).encode()) for n in range(24)])
        shares = (set(), set())
        for _ in range(4):
            for share, member in zip(shares, (first, second), strict=True):
                share |= {r.partition for r in member.poll(0.1) if int(r.value) == round_}
        if shares[0] and shares[1] and not shares[0] & shares[1] and len(shares[0] | shares[1]) == 6:
            return
    raise AssertionError(f"partitions were not shared: {shares}")


def test_records_survive_closing_and_opening(event_log_url, event_log, subscribe):
    event_log.publish(numbered(3, keys=1))
    event_log.close()
    again = open_log(event_log_url)
    subscription = again.subscribe("later", [TOPIC], from_the_beginning)
    try:
        assert [int(r.value) for r in take(subscription, 3)] == [0, 1, 2]
    finally:
        subscription.close()
        again.close()


def test_a_record_published_while_waiting_arrives_soon(event_log, subscribe):
    subscription = subscribe()
    event_log.publish(numbered(1, keys=1))
    assert len(take(subscription, 1)) == 1
    started = time.monotonic()
    event_log.publish(numbered(1, keys=1))
    assert len(take(subscription, 1)) == 1
    assert time.monotonic() - started < 1.0


def test_a_position_behind_the_end_says_that_the_log_was_replaced(event_log, subscribe):
    subscription = subscribe(start=lambda topic, partition: 40)
    with pytest.raises(PositionBeyondEnd, match="the log was replaced"):
        take(subscription, 1, within_s=20)


def test_a_log_that_is_there_passes_its_check(event_log):
    event_log.check()


def test_a_member_knows_where_its_partitions_end_without_asking_again(event_log, subscribe):
    event_log.publish(numbered(12, keys=6))
    member = subscribe()
    found = take(member, 12)
    reached = {(one.topic, one.partition): one.offset + 1 for one in found}
    until = time.monotonic() + 20
    while (ends := {place: end for place, end in member.ends().items() if end}) != reached:
        assert time.monotonic() < until, (ends, reached)
        member.poll(0.2)
