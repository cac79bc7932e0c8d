"""The topics on the broker are brought to what the contract declares, and what differs is told."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from all_in_one.command import app
from isodose.events.contract import TOPICS
from isodose.events.log import Record, open_log

RECORD = "isodose.patient-record.v1"


@pytest.fixture
def admin(kafka_url: str) -> Iterator[KafkaAdminClient]:
    opened = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    yield opened
    opened.close()


@pytest.mark.kafka
def test_topics_are_made_kept_and_set_to_what_is_declared(kafka_url, topic_prefix, admin):
    place = {"ISODOSE_EVENT_LOG_URL": f"{kafka_url}?prefix={topic_prefix}", "ISODOSE_KAFKA_REPLICATION": "1"}

    def applied() -> list[str]:
        done = CliRunner().invoke(app, ["topics", "apply"], env=place)
        assert done.exit_code == 0, done.output
        return [line.partition(": ")[2].partition(";")[0] for line in done.stdout.splitlines()]

    assert applied() == ["made"] * len(TOPICS)
    assert applied() == ["as declared"] * len(TOPICS)
    other = {"delete.retention.ms": "1000"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_prefix + RECORD, other)])
    assert applied() == ["set delete.retention.ms 2592000000", *["as declared"] * (len(TOPICS) - 1)]


@pytest.mark.kafka
def test_what_cannot_be_changed_in_place_is_told(kafka_url, topic_prefix):
    url = f"{kafka_url}?prefix={topic_prefix}"
    narrow = open_log(url, [replace(TOPICS[RECORD], partitions=2)])
    narrow.apply_topics()
    narrow.close()
    place = {"ISODOSE_EVENT_LOG_URL": url}
    told = CliRunner().invoke(app, ["topics", "apply"], env=place)
    assert told.exit_code == 1
    assert told.stderr == f"{RECORD} has 2 partitions, 6 are declared: make it anew and rebuild\n"
    told = CliRunner().invoke(app, ["topics", "apply"], env={**place, "ISODOSE_KAFKA_REPLICATION": "3"})
    assert told.exit_code == 1
    assert f"{RECORD} has 1 replicas, 3 are wanted" in told.stderr


def test_the_embedded_log_has_its_topics_at_once(tmp_path):
    done = CliRunner().invoke(app, ["topics", "apply"], env={"ISODOSE_DATA_DIR": str(tmp_path)})
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, len(TOPICS))


@pytest.mark.kafka
def test_a_tombstone_takes_what_its_key_held_out_of_the_topic(kafka_url, topic_prefix, admin):
    log = open_log(f"{kafka_url}?prefix={topic_prefix}")
    log.apply_topics()
    at_once = {"segment.ms": "200", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "200"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_prefix + RECORD, at_once)])
    log.publish([Record(RECORD, "p1", b"of p1"), Record(RECORD, "p1", None)])
    until, held = time.monotonic() + 40, True
    while held and time.monotonic() < until:
        time.sleep(0.3)
        log.publish([Record(RECORD, f"k{n}", b"of another") for n in range(40)])
        held = b"of p1" in values(log)
    log.close()
    assert not held


def values(log):
    """Everything that the topic holds."""
    subscription = log.subscribe(secrets.token_hex(4), [RECORD], lambda topic, partition: None)
    found = []
    while not subscription.at_end():
        found += [one.value for one in subscription.poll(0.3)]
    subscription.close()
    return found
