"""The rights of Strimzi's user are those that the services need, on a broker that lets nobody do more."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)

import broker_certificate
from all_in_one.composition import SERVICES
from isodose.events.contract import TOPICS
from isodose.events.kafka_access import KafkaAccess
from isodose.events.log import EventLog, LogUnavailable, Record, open_log
from isodose.settings import Settings

pytestmark = pytest.mark.kafka
STRIMZI = Path(__file__).resolve().parents[2] / "k8s/components/strimzi"
USER = yaml.safe_load((STRIMZI / "user.yaml").read_text())
PATTERNS = {"literal": ACLResourcePatternType.LITERAL, "prefix": ACLResourcePatternType.PREFIXED}
PRINCIPAL = f"User:CN={USER['metadata']['name']}"
DAYS = "isodose.day-started.v1"
NO_CONTRACT = "another.platform.v1"


class Strict(NamedTuple):
    """A broker with the topics of the contract: where services come in, as who, and where its operator."""

    url: str
    access: KafkaAccess
    operator: str


def rights(principal: str) -> Iterator[ACL]:
    """What the user operator asks of the broker for the KafkaUser."""
    for one in USER["spec"]["authorization"]["acls"]:
        told = one["resource"]
        pattern = ResourcePattern(
            ResourceType[told["type"].upper()], told["name"], PATTERNS[told["patternType"]]
        )
        for operation in one["operations"]:
            yield ACL(principal, "*", ACLOperation[operation.upper()], ACLPermissionType.ALLOW, pattern)


@pytest.fixture(scope="module")
def strict(
    deploy_script: Callable[[str], ModuleType],
    not_here: Callable[[object], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Strict]:
    kafka, folder = deploy_script("kafka"), tmp_path_factory.mktemp("strict")
    broker_certificate.made(folder / "broker.pem", folder / "ca.crt")
    broker_certificate.made(folder / "user.key", folder / "user.crt", USER["metadata"]["name"])
    secured = kafka.Secured(kafka.free_port(), folder / "broker.pem")
    protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SSL"
    asking = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.security.protocol.map": protocols,
        "listener.name.secured.ssl.client.auth": "required",
        "listener.name.secured.ssl.truststore.type": "PEM",
        "listener.name.secured.ssl.truststore.location": folder / "user.crt",
    }
    try:
        port = kafka.start(folder / "kafka", secured=secured, properties=asking)
    except kafka.CannotRun as reason:
        not_here(reason)
        return
    operator = f"127.0.0.1:{port}"
    log = open_log(f"kafka://{operator}", TOPICS.values())
    log.apply_topics()
    log.close()
    with asked(bootstrap_servers=operator) as admin:
        admin.create_topics({NO_CONTRACT: {"num_partitions": 1, "replication_factor": 1}})
        admin.create_acls(list(rights(PRINCIPAL)))
    access = KafkaAccess(True, folder / "ca.crt", folder / "user.crt", folder / "user.key")
    yield Strict(f"kafka://localhost:{secured.port}", access, operator)
    kafka.stop(folder / "kafka")


@contextmanager
def asked(**how: Any) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(**how)
    yield admin
    admin.close()


@pytest.fixture
def coming(strict: Strict) -> Iterator[Callable[[KafkaAccess], EventLog]]:
    """The log with an access. The client leaves sockets that were refused to the collector, called here."""
    opened: list[EventLog] = []

    def come(access: KafkaAccess) -> EventLog:
        opened.append(open_log(strict.url, TOPICS.values(), access))
        return opened[-1]

    yield come
    while opened:
        opened.pop().close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def log(strict: Strict, coming: Callable[[KafkaAccess], EventLog]) -> EventLog:
    return coming(strict.access)


def read(log: EventLog, group: str, *topics: str) -> list[bytes | None]:
    subscription = log.subscribe(group, topics, lambda topic, partition: None)
    until, found = time.monotonic() + 60, []
    try:
        while len(found) < len(topics) and time.monotonic() < until:
            found += [one.value for one in subscription.poll(0.5)]
    finally:
        subscription.close()
    return found


def test_each_service_publishes_and_reads_by_its_certificate(log: EventLog) -> None:
    log.check()
    log.publish([Record(topic, "p1", topic.encode()) for topic in TOPICS])
    for name in (*SERVICES, "are_surveillance.rebuild"):
        service = name.partition(".")[0]
        topics = SERVICES[service](Settings().for_service(service, 0)).handlers
        assert sorted(read(log, name, *topics)) == sorted(topic.encode() for topic in topics)


def test_the_topics_are_not_the_services_to_change_and_the_command_says_so(
    log: EventLog, strict: Strict
) -> None:
    unseen = log.apply_topics()
    assert {one.done for one in unseen} == {"not set"}
    assert all("does not show its settings" in what for one in unseen for what in one.differs)
    topic = ConfigResource(ConfigResourceType.TOPIC, DAYS, {"retention.ms": "1000"})
    days = ResourcePattern(ResourceType.TOPIC, DAYS)
    may_look = ACL(PRINCIPAL, "*", ACLOperation.DESCRIBE_CONFIGS, ACLPermissionType.ALLOW, days)
    with asked(bootstrap_servers=strict.operator) as admin:
        admin.alter_configs([topic])
        admin.create_acls([may_look])
    [refused] = [one for one in log.apply_topics() if one.topic == DAYS]
    assert refused.done == "not set"
    assert "was not set to retention.ms 604800000: " in refused.differs[0]


def test_what_is_another_s_is_not_read(log: EventLog, strict: Strict) -> None:
    with pytest.raises(LogUnavailable, match="Authorization"):
        read(log, "somebody", DAYS)
    ours = {"bootstrap_servers": strict.url.removeprefix("kafka://"), **strict.access.options()}
    with asked(**ours) as client:
        assert set(client.list_topics()) == TOPICS.keys()


def test_nobody_comes_without_a_certificate(
    strict: Strict, coming: Callable[[KafkaAccess], EventLog]
) -> None:
    with pytest.raises(LogUnavailable):
        coming(replace(strict.access, cert_file=None, key_file=None)).check()
