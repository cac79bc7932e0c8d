"""One, two and three replicas of a consumer share the partitions of a topic: events handled in a second.

The handler waits as for another system, so that the number of cores is not what is measured: on a machine
with as many cores as replicas, work that needs the CPU shares in the same way.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks import servers
from benchmarks.data import patient_resources
from benchmarks.events import replace_id
from benchmarks.report import Line
from isodose.events import contract
from isodose.events.consumer import Consumer
from isodose.events.log import EventLog, Record, open_log
from isodose.mcode import build_record
from isodose.storage.database import Database
from isodose.work import work_at

REPLICAS = (1, 2, 3)
EVENTS, KEYS = 600, 200
WAITS_S = 0.01
TOPIC = "isodose.patient-record.v1"


def measure() -> list[Line]:
    """Events/s of a group of one, two and three, positions and effects on one PostgreSQL."""
    names = [f"of-{count}" for count in REPLICAS]
    with servers.kafka() as url, servers.postgresql(*names) as urls:
        rates = {
            count: _rate(f"{url}?prefix={uuid.uuid4().hex[:8]}-", urls[name], count)
            for count, name in zip(REPLICAS, names, strict=True)
        }
    alone = rates[1][0]
    return [
        Line(
            what=f"replicas: {count}, a handler that waits {1000 * WAITS_S:.0f} ms per event: events/s",
            ours=f"{rate:.0f}/s, shared {' + '.join(map(str, shares))}",
            reference=f"one replica {alone:.0f}/s",
            ratio=rate / alone,
            target=f"more than {count - 1}" if count > 1 else "",
            met=rate > rates[count - 1][0] if count > 1 else None,
        )
        for count, (rate, shares) in rates.items()
    ]


class _Replica:
    """A consumer with connections of its own, and how many events it has handled."""

    def __init__(self, log_url: str, database_url: str) -> None:
        self.handled = 0
        self.log = open_log(log_url)
        self.database = Database(database_url)
        work = work_at("http://127.0.0.1/fhir")
        self.consumer = Consumer("bench", self.database, self.log, {TOPIC: self._handle}, work)

    def _handle(self, _work: object, events: Sequence[contract.Event]) -> None:
        time.sleep(WAITS_S * len(events))
        self.handled += len(events)

    def stop(self) -> None:
        self.consumer.stop()
        self.log.close()
        self.database.dispose()


def _rate(log_url: str, database_url: str, count: int) -> tuple[float, list[int]]:
    with ExitStack() as stack:
        database = Database(database_url)
        database.migrate()
        database.dispose()
        log = open_log(log_url)
        stack.callback(log.close)
        log.ensure_topics()
        replicas = [_Replica(log_url, database_url) for _ in range(count)]
        for replica in replicas:
            stack.callback(replica.stop)
            replica.consumer.start()
        sent = _until_all_work(log, replicas)
        _wait(lambda: sum(one.handled for one in replicas) >= sent, 60)
        before = [one.handled for one in replicas]
        _publish(log, EVENTS)
        begin = time.perf_counter()
        _wait(lambda: sum(one.handled for one in replicas) >= sent + EVENTS, 120)
        taken = time.perf_counter() - begin
        return EVENTS / taken, [one.handled - was for one, was in zip(replicas, before, strict=True)]


def _until_all_work(log: EventLog, replicas: Sequence[_Replica]) -> int:
    """Publish until each replica has handled something: the group has settled. How many were published."""
    sent = 0
    until = time.monotonic() + 90
    while not all(one.handled for one in replicas):
        if time.monotonic() > until:
            raise RuntimeError("a replica was given no partition")
        _publish(log, 20)
        sent += 20
        time.sleep(0.5)
    return sent


def _publish(log: EventLog, count: int) -> None:
    template = contract.record_changed(build_record("bench-1", patient_resources(1)[:5]))
    keys = [f"bench-{number % KEYS}" for number in range(count)]
    log.publish([Record(TOPIC, key, contract.encode(replace_id(template, key))) for key in keys])


def _wait(done: object, seconds: float) -> None:
    assert callable(done)
    until = time.monotonic() + seconds
    over = threading.Event()
    while not done():
        if time.monotonic() > until:
            raise RuntimeError("the replicas did not handle all in time")
        over.wait(0.01)
