"""What a relay gave up while the network was cut never comes after what was published since."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos.network import Network
from chaos.servers import Kafka
from isodose.events.log import EventLog, LogUnavailable, Record, open_log

TOPIC = "isodose.patient-record.v1"
LATEST_S = 12
"""Linux tries a seventh time 25 seconds after the cut, five after the relay gave up."""
pytestmark = [pytest.mark.kafka, pytest.mark.processes, pytest.mark.timeout(480)]


@pytest.fixture
def network(new_network: Callable[[Sequence[str]], Network]) -> Network:
    return new_network(["kafka", "relay", "other relay"])


@pytest.fixture
def kafka(network: Network, deploy_script: Any, server_dir: Path) -> Iterator[Kafka]:
    server = Kafka(deploy_script("kafka"), server_dir / "late-kafka", network)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_a_record_that_was_given_up_does_not_follow_a_newer_one(network: Network, kafka: Kafka) -> None:
    with network.at("relay"), contextlib.closing(open_log(kafka.url)) as log:
        log.publish(version(b"1"))
        network.cut("relay", "kafka")
        with pytest.raises(LogUnavailable):
            log.publish(version(b"2"))
    with network.at("other relay"), contextlib.closing(open_log(kafka.url)) as log:
        log.publish(version(b"2"))
        log.publish(version(b"3"))
        network.mend("relay", "kafka")
        time.sleep(LATEST_S)
        assert everything(log) == [b"1", b"2", b"3"]


def version(said: bytes) -> list[Record]:
    return [Record(TOPIC, "p", said)]


def everything(log: EventLog) -> list[bytes | None]:
    reading = log.subscribe("reader", [TOPIC], lambda _topic, _partition: None)
    with contextlib.closing(reading):
        found: list[bytes | None] = []
        while not reading.at_end():
            found += [one.value for one in reading.poll(1.0)]
        return found
