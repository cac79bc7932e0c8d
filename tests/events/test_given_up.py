"""What Kafka did not acknowledge was not published, and the system does not send it later either."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from isodose.events.kafka_log import DELIVERY_MS
from isodose.events.log import EventLog, LogUnavailable, Record

TOPIC = "isodose.patient-record.v1"


def waits_ms(port: int) -> list[int]:
    """Of this process's connections to the port, how long each waits for what it sent to be acknowledged."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as one:
            if one.family == socket.AF_INET and one.getpeername()[1] == port:
                found.append(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    return found


@pytest.mark.kafka
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
@pytest.mark.parametrize("event_log_url", ["kafka"], indirect=True)
def test_the_system_gives_up_what_it_could_not_send_before_the_relay_does(
    event_log: EventLog, event_log_url: str
) -> None:
    event_log.publish([Record(TOPIC, "p", b"{}")])
    waits = waits_ms(urlsplit(event_log_url).port or 0)
    assert waits
    assert all(0 < wait < DELIVERY_MS for wait in waits)


@pytest.mark.kafka
@pytest.mark.parametrize("event_log_url", ["kafka"], indirect=True)
def test_one_record_that_the_broker_refuses_is_no_publication(
    event_log: EventLog, event_log_url: str, topic_prefix: str
) -> None:
    event_log.ensure_topics()
    admin = KafkaAdminClient(bootstrap_servers=urlsplit(event_log_url).netloc)
    small = {"max.message.bytes": "1000"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_prefix + TOPIC, small)])
    admin.close()
    event_log.publish([Record(TOPIC, "p", b"{}")])
    with pytest.raises(LogUnavailable):
        event_log.publish([Record(TOPIC, "p", b"{}"), Record(TOPIC, "p", os.urandom(20_000))])
