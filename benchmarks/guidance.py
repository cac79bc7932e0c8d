"""From HTTP 200 on ingestion to guidance readable, over Kafka and PostgreSQL with every service a process."""

from __future__ import annotations

import http.client
import os
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from benchmarks import load, servers, usage
from benchmarks.data import transaction
from benchmarks.events import make_topic
from benchmarks.report import Line

PER_SECOND = (20, 50)
RESOURCES = 15
SAMPLE = 10
"""Every tenth patient is watched: watching all of them would be most of the load."""
SECONDS = 10
WITHIN_S = 30
P99_S = 0.4
DECIDERS = ("eligibility_scoring", "are_surveillance", "ici_steroid_alerts")
KIND = "GuidanceResponse"


def measure() -> list[Line]:
    """p50 and p99 at 20 and 50 patients/s; readable: found by a search on the ingestion service's /fhir."""
    with ExitStack() as stack:
        log = stack.enter_context(servers.kafka())
        urls = stack.enter_context(servers.postgresql("ehr_ingestion", *DECIDERS))
        running = {
            name: stack.enter_context(servers.started(name, database_url=urls[name], event_log_url=log))
            for name in ("ehr_ingestion", *DECIDERS)
        }
        port = running["ehr_ingestion"].port
        bare = round_trips(log.removeprefix("kafka://"))
        _readable(port, _send(port, 0))
        lines: list[Line] = []
        for per_second in PER_SECOND:
            before = _cpu(running)
            taken = _run(port, per_second)
            spent = {name: (cpu - before[name]) / len(taken) / SAMPLE for name, cpu in _cpu(running).items()}
            target = P99_S if per_second == PER_SECOND[-1] else None
            lines += [
                _line("p50", per_second, load.quantile(taken, 0.5), load.quantile(bare, 0.5), None),
                _line("p99", per_second, load.quantile(taken, 0.99), load.quantile(bare, 0.99), target),
                _spent(spent, per_second),
            ]
    return lines


def _cpu(running: Mapping[str, servers.Started]) -> dict[str, float]:
    """CPU seconds until now: of each service, of PostgreSQL's backends, of Kafka."""
    return {
        **{name: usage.cpu_s(one.pid) for name, one in running.items()},
        "PostgreSQL": sum(sum(usage.named("postgres: isodose", f" {name} ").values()) for name in running),
        "Kafka": sum(usage.named("kafka.Kafka", "isodose-bench-").values()),
    }


def _spent(spent: Mapping[str, float], per_second: int) -> Line:
    there = 1000 * (os.cpu_count() or 1) / per_second
    return Line(
        what=f"CPU of one patient in all processes; {there:.0f} ms are there at {per_second}/s",
        ours=f"{1000 * sum(spent.values()):.0f} ms",
        reference=", ".join(f"{name} {1000 * cpu:.0f}" for name, cpu in spent.items()),
        ratio=None,
    )


def round_trips(server: str, count: int = 100) -> list[float]:
    """Seconds from sending to reading one message over Kafka; guidance takes two of these at least."""
    topic = f"bare-{uuid.uuid4().hex}"
    make_topic(server, topic)
    producer = KafkaProducer(bootstrap_servers=server, acks="all", linger_ms=0)
    consumer = KafkaConsumer(bootstrap_servers=server, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        producer.send(topic, b"x" * 20_000)
        while not consumer.poll(timeout_ms=1000):
            pass
        taken.append(time.perf_counter() - begin)
    producer.close()
    consumer.close()
    return taken


def _run(port: int, per_second: int) -> list[float]:
    taken: list[float] = []
    failures: list[Exception] = []
    begin = time.perf_counter() + 0.5

    def one(number: int) -> None:
        try:
            time.sleep(max(0.0, begin + number / per_second - time.perf_counter()))
            _send(port, per_second * 1000 + number)
            if number % SAMPLE == 0:
                taken.append(_readable(port, per_second * 1000 + number))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, per_second * SECONDS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return taken


def _send(port: int, number: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    load.post(connection, "/fhir", orjson.dumps(transaction(number, RESOURCES)))
    return number


def _readable(port: int, number: int) -> float:
    """Seconds until the guidance of patient `number` is found; infinite when it was not within `WITHIN_S`."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while time.perf_counter() - begin < WITHIN_S:
        connection.request("GET", f"/fhir/{KIND}?patient=bench-{number}&_count=1")
        if orjson.loads(connection.getresponse().read()).get("entry"):
            return time.perf_counter() - begin
        waited = time.perf_counter() - begin
        time.sleep(0.05 if waited < 1 else 1)  # who waits long does not become the load
    return float("inf")


def _line(name: str, per_second: int, seconds: float, bare: float, target: float | None) -> Line:
    return Line(
        what=f"guidance readable after HTTP 200, {name}, {per_second} patients/s of {RESOURCES}, Kafka",
        ours=f"{seconds * 1000:.0f} ms" if seconds < WITHIN_S else f"not within {WITHIN_S} s",
        reference=f"Kafka round trip {bare * 1000:.0f} ms",
        ratio=seconds / bare if seconds < WITHIN_S else None,
        target="" if target is None else f"under {1000 * target:.0f} ms",
        met=None if target is None else seconds < target,
    )
