"""Events from outbox rows over Kafka into a consumer's transaction, against a bare kafka-python loop."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from benchmarks import servers
from benchmarks.data import patient_resources
from benchmarks.report import Line
from isodose.events import contract
from isodose.events.consumer import Consumer
from isodose.events.log import open_log
from isodose.events.outbox import Outbox, Relay
from isodose.mcode import build_record
from isodose.storage.database import Database
from isodose.work import work_at

COUNT = 2000
TOPIC = "isodose.patient-record.v1"


def measure() -> list[Line]:
    """Events per second, each the record of a patient of 50 resources; outbox and effects on PostgreSQL."""
    with servers.kafka() as url, servers.postgresql("producer", "consumer") as urls:
        databases = {name: Database(one) for name, one in urls.items()}
        for database in databases.values():
            database.migrate()
        published, consumed = _ours(url, databases["producer"], databases["consumer"])
        for database in databases.values():
            database.dispose()
        sent, received = _bare(url.removeprefix("kafka://"))
    return [
        _line("outbox to Kafka, acknowledged and marked", published, "produce", sent),
        _line("Kafka to a handler, position committed per event", consumed, "consume", received),
    ]


def _event(number: int) -> contract.Event:
    record = build_record(f"bench-{number}", patient_resources(number))
    return contract.record_changed(record)


def _ours(url: str, producing: Database, consuming: Database) -> tuple[float, float]:
    template = _event(1)
    log = open_log(url)
    log.ensure_topics()
    with producing.begin() as conn:
        outbox = Outbox(conn)
        for number in range(COUNT):
            key = f"bench-{number % 200}"
            outbox.add(TOPIC, key, replace_id(template, key))
    relay = Relay(producing, log)
    begin = time.perf_counter()
    sent = 0
    while sent < COUNT:
        sent += relay.run_once()
    published = COUNT / (time.perf_counter() - begin)
    handled = 0

    def handler(_work: object, events: Sequence[contract.Event]) -> None:
        nonlocal handled
        handled += len(events)

    work = work_at("http://127.0.0.1/fhir")
    consumer = Consumer("bench", consuming, log, {TOPIC: handler}, work)
    while not handled:
        consumer.run_once(0.2)
    first, begin = handled, time.perf_counter()
    while handled < COUNT:
        consumer.run_once(0.2)
    consumed = (COUNT - first) / (time.perf_counter() - begin) if first < COUNT else float("nan")
    consumer.close()
    log.close()
    return published, consumed


def replace_id(event: contract.Event, key: str) -> contract.Event:
    """A new event of the same content for another patient."""
    return contract.Event(
        **{
            **{name: getattr(event, name) for name in event.__struct_fields__},
            "id": str(uuid.uuid4()),
            "subject": key,
        }
    )


def make_topic(server: str, topic: str) -> None:
    """A topic of one partition; the broker makes none by itself."""
    admin = KafkaAdminClient(bootstrap_servers=server)
    admin.create_topics([NewTopic(topic, 1, 1)])
    admin.close()


def _bare(server: str) -> tuple[float, float]:
    value = contract.encode(_event(1))
    topic = f"bare-{uuid.uuid4().hex}"
    make_topic(server, topic)
    producer = KafkaProducer(bootstrap_servers=server, acks="all", linger_ms=5)
    producer.send(topic, value).get(30)
    begin = time.perf_counter()
    waiting = [producer.send(topic, value, key=str(n % 200).encode()) for n in range(COUNT)]
    producer.flush()
    for future in waiting:
        future.get(30)
    sent = COUNT / (time.perf_counter() - begin)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=server, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    got, begin = 0, time.perf_counter()
    while got < COUNT:
        got += sum(len(records) for records in consumer.poll(timeout_ms=200).values())
    received = COUNT / (time.perf_counter() - begin)
    consumer.close()
    return sent, received


def _line(what: str, ours: float, verb: str, bare: float) -> Line:
    return Line(
        what=f"events, {what}: events/s",
        ours=f"{ours:.0f}/s",
        reference=f"kafka-python {verb} {bare:.0f}/s",
        ratio=ours / bare,
    )
