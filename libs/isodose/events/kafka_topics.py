"""The topics on a cluster brought to what the contract declares.

https://kafka.apache.org/documentation/#topicconfigs
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError

from isodose.events.contract import Topic
from isodose.events.log import Applied

WAIT_MS = 10_000


def missing(admin: KafkaAdminClient, topics: Iterable[Topic], prefix: str) -> list[Topic]:
    there = set(admin.list_topics())
    return [topic for topic in topics if prefix + topic.name not in there]


def make(
    admin: KafkaAdminClient, topics: Sequence[Topic], prefix: str, replication: int | None = None
) -> None:
    """Make the topics, with `replication` copies or as many as the brokers' default, and wait for them."""
    for topic in topics:
        told = {
            "num_partitions": topic.partitions,
            "replication_factor": replication or -1,
            "configs": topic.settings(replication),
        }
        with contextlib.suppress(TopicAlreadyExistsError):
            admin.create_topics({prefix + topic.name: told}, timeout_ms=WAIT_MS)
    admin.wait_for_topics([prefix + topic.name for topic in topics], timeout_ms=WAIT_MS)


def apply(
    admin: KafkaAdminClient, topics: Iterable[Topic], prefix: str, replication: int | None = None
) -> list[Applied]:
    """Make what is missing and set what is set otherwise; tell what only an operator can change."""
    wanted = list(topics)
    new = missing(admin, wanted, prefix)
    make(admin, new, prefix, replication)
    named = {
        one["name"]: one["partitions"] for one in admin.describe_topics([prefix + t.name for t in wanted])
    }
    applied = []
    for topic in wanted:
        partitions = named[prefix + topic.name]
        copies = len(partitions[0]["replica_nodes"])
        differs = _differences(topic, len(partitions), copies, replication)
        changed, refused = ([], []) if topic in new else _set(admin, topic, prefix, replication)
        done = f"set {', '.join(changed)}" if changed else "not set" if refused else "as declared"
        applied.append(Applied(topic.name, "made" if topic in new else done, (*differs, *refused)))
    return applied


def _differences(topic: Topic, partitions: int, copies: int, replication: int | None) -> Iterable[str]:
    """What cannot be changed in place: more partitions would part a patient's events from earlier ones."""
    if partitions != topic.partitions:
        yield f"has {partitions} partitions, {topic.partitions} are declared: make it anew and rebuild"
    if replication is not None and copies != replication:
        yield f"has {copies} replicas, {replication} are wanted: reassign its partitions"


def _set(
    admin: KafkaAdminClient, topic: Topic, prefix: str, replication: int | None
) -> tuple[list[str], list[str]]:
    """What was set, and what the broker refused: the client raises for neither of the two requests."""
    declared, name = topic.settings(replication), prefix + topic.name
    asked = ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(declared))
    told = admin.describe_configs([asked], config_filter="all")["topic"][name]
    if not declared.keys() <= told.keys():
        return [], ["does not show its settings: describe and alter its configuration is not allowed"]
    other = {key: value for key, value in declared.items() if str(told[key]["value"]) != value}
    changed = [f"{key} {value}" for key, value in sorted(other.items())]
    if not other:
        return [], []
    answered = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(other))])
    said = answered["topic"][name]
    return (changed, []) if said == "OK" else ([], [f"was not set to {', '.join(changed)}: {said}"])
