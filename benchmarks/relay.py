"""From the commit of an event to its reading by another client of Kafka; the outbox is on PostgreSQL."""

from __future__ import annotations

import threading
import time

from kafka import KafkaConsumer, TopicPartition

from benchmarks import load, servers
from benchmarks.data import patient_resources
from benchmarks.guidance import round_trips
from benchmarks.report import Line
from isodose.events import contract
from isodose.events.log import open_log
from isodose.events.outbox import Outbox, Relay
from isodose.mcode import build_record
from isodose.storage.database import Database

PER_SECOND = 20
SECONDS = 10
WITHIN_MS = 100.0
TOPIC = "isodose.patient-record.v1"


def measure() -> list[Line]:
    """p50 and p99 at 20 events/s of records of 50 resources; one relay woken at each commit, one left to its
    interval, as for a commit of another replica.
    """
    lines = []
    with servers.kafka() as url, servers.postgresql("woken", "unwoken") as urls:
        bare = [1000 * one for one in round_trips(url.removeprefix("kafka://"))]
        for name, woken in (("woken", True), ("unwoken", False)):
            database = Database(urls[name])
            database.migrate()
            taken = _run(database, url, woken=woken)
            database.dispose()
            whose = "by its own commit" if woken else "at its interval, as for another replica's commit"
            lines += [
                _line(f"p50, {whose}", load.quantile(taken, 0.5), load.quantile(bare, 0.5), None),
                _line(f"p99, {whose}", load.quantile(taken, 0.99), load.quantile(bare, 0.99), WITHIN_MS),
            ]
    return lines


def _run(database: Database, url: str, *, woken: bool) -> list[float]:
    """Milliseconds from each commit until the event is read."""
    record = build_record("bench-1", patient_resources(1))
    log = open_log(url)
    relay = Relay(database, log)
    committed: dict[str, float] = {}
    seen: dict[str, float] = {}
    over = threading.Event()
    ready = threading.Event()
    reader = threading.Thread(target=_read, args=(url.removeprefix("kafka://"), seen, ready, over))
    reader.start()
    ready.wait(30)
    relay.start()
    try:
        _commit(database, record, committed)  # connects the producer
        time.sleep(1)
        first = set(committed)
        begin = time.perf_counter()
        for n in range(PER_SECOND * SECONDS):
            time.sleep(max(0.0, begin + n / PER_SECOND - time.perf_counter()))
            _commit(database, record, committed)
            if woken:
                relay.wake()
        until = time.monotonic() + 30
        while not committed.keys() <= seen.keys() and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        over.set()
        reader.join()
        relay.stop()
        log.close()
    return [1000 * (seen.get(id, float("inf")) - at) for id, at in committed.items() if id not in first]


def _commit(database: Database, record: object, committed: dict[str, float]) -> None:
    event = contract.record_changed(record)  # type: ignore[arg-type]
    with database.begin() as conn:
        Outbox(conn).add(TOPIC, "bench-1", event)
    committed[event.id] = time.perf_counter()


def _read(server: str, seen: dict[str, float], ready: threading.Event, over: threading.Event) -> None:
    consumer = KafkaConsumer(bootstrap_servers=server, enable_auto_commit=False)
    numbers = sorted(consumer.partitions_for_topic(TOPIC) or ())
    partitions = [TopicPartition(TOPIC, number) for number in numbers]
    consumer.assign(partitions)
    for partition, end in consumer.end_offsets(partitions).items():
        consumer.seek(partition, end)
    ready.set()
    while not over.is_set():
        for records in consumer.poll(timeout_ms=200).values():
            now = time.perf_counter()
            for one in records:
                seen.setdefault(contract.decode(one.value).id, now)
    consumer.close()


def _line(what: str, ms: float, bare: float, target: float | None) -> Line:
    return Line(
        what=f"event read after its commit, {what}",
        ours=f"{ms:.0f} ms",
        reference=f"Kafka round trip {bare:.0f} ms",
        ratio=ms / bare,
        target="" if target is None else f"under {target:.0f} ms",
        met=None if target is None else ms < target,
    )
