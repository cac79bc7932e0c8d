"""Kafka is away for hours and is asked again and again: nothing that was tried in vain stays behind."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from kafka.errors import KafkaTimeoutError

from isodose.events import kafka_access
from isodose.events.contract import TOPICS
from isodose.events.kafka_log import KafkaLog
from isodose.events.log import EventLog, LogUnavailable, Record

TOPIC = "isodose.patient-record.v1"
OF_ONE_ATTEMPT = 6
"""Sockets that were refused are held by the error that is told until the next attempt."""


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[KafkaLog]:
    """A log whose topics are known to be there, on a Kafka that is not, in a process that seldom looks for
    garbage, as a service does.

    Log lines that are kept for the test would keep the errors in them, and the sockets of these.
    """
    caplog.set_level(logging.CRITICAL, "kafka")
    monkeypatch.setattr(kafka_access, "BOOTSTRAP_MS", 200)
    log = KafkaLog(["127.0.0.1:9"], TOPICS.values())
    log._ensured = True
    gc.collect()
    gc.disable()
    yield log
    gc.enable()


def threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if "kafka" in one.name}


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def read(log: EventLog) -> None:
    log.subscribe("readers", [TOPIC], lambda _topic, _partition: None)


@pytest.mark.filterwarnings("ignore:.*unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "ask",
    [lambda log: log.apply_topics(), lambda log: log.publish([Record(TOPIC, "p", b"{}")]), read],
    ids=["topics", "publish", "read"],
)
def test_what_is_asked_of_a_kafka_that_is_away_leaves_no_thread_and_few_files_behind(
    away: KafkaLog, ask: Callable[[EventLog], object]
) -> None:
    before, files = threads(), open_files()
    for _ in range(6):
        with pytest.raises(LogUnavailable):
            ask(away)
    assert threads() == before
    assert open_files() <= files + OF_ONE_ATTEMPT


@pytest.mark.kafka
@pytest.mark.parametrize("event_log_url", ["kafka"], indirect=True)
def test_a_reader_that_cannot_leave_its_group_leaves_no_thread_behind(
    event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threads()
    subscription = event_log.subscribe("readers", [TOPIC], lambda _topic, _partition: None)
    subscription.poll(0.5)
    assert threads() > before

    def coordinator_is_away(**_told: object) -> None:
        raise KafkaTimeoutError

    with contextlib.suppress(LogUnavailable), monkeypatch.context() as patched:
        patched.setattr(subscription._consumer._coordinator, "close", coordinator_is_away)
        subscription.close()
    assert threads() == before
