"""The manifests give to whoever talks to Kafka what it asks for: at a site's, and at Strimzi's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from isodose.events.contract import TOPICS
from isodose.events.kafka_access import access_of
from isodose.settings import Settings
from manifests import (
    BUILDS,
    STATEFUL,
    mounted,
    named,
    of_kind,
    offences,
    pods,
    pods_in,
    settings_in,
    settings_of,
    with_components,
)

AT_KAFKA = [*(f"Deployment/{name}" for name in STATEFUL), "Job/topics", "CronJob/day"]


@pytest.mark.parametrize("folder", BUILDS)
def test_who_talks_to_kafka_has_the_files_for_it(folder: str) -> None:
    of_pods = dict(pods(folder))
    files = {name for name in settings_of(folder) if re.fullmatch("ISODOSE_KAFKA_.*_FILE", name)}
    assert bool(files) == (folder == "overlays/production")
    for name in AT_KAFKA:
        assert mounted(of_pods[name])["/etc/isodose/kafka"] == "secret", name
    assert {str(Path(settings_of(folder)[name]).parent) for name in files} <= {"/etc/isodose/kafka"}


def test_a_site_s_kafka_asks_for_a_password_over_tls_and_is_reached_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of("overlays/production")
    (tmp_path / "password").write_text("of the site\n")
    told = options(settings, tmp_path, monkeypatch)
    assert told["security_protocol"] == "SASL_SSL"
    assert (told["sasl_plain_username"], told["sasl_plain_password"]) == ("isodose", "of the site")
    assert told["ssl_cafile"] == str(tmp_path / "ca.crt")
    servers = settings["ISODOSE_EVENT_LOG_URL"].removeprefix("kafka://").split(",")
    [rule] = of_kind("overlays/production", "NetworkPolicy")["to-kafka"]["spec"]["egress"]
    assert {server.partition(":")[2] for server in servers} == {str(port["port"]) for port in rule["ports"]}


def options(settings: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the settings have the client of Kafka do, with its files in this folder."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value.replace("/etc/isodose/kafka", str(folder)))
    return access_of(Settings()).options()


def test_strimzi_knows_the_services_by_the_certificate_that_they_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_components(tmp_path, "strimzi")
    kafka, [user] = named(made, "Kafka")["isodose"], named(made, "KafkaUser").values()
    [listener] = kafka["spec"]["kafka"]["listeners"]
    assert (listener["tls"], listener["authentication"], user["spec"]["authentication"]) == (
        True,
        {"type": "tls"},
        {"type": "tls"},
    )
    [policy] = [one for name, one in named(made, "NetworkPolicy").items() if name == "to-strimzi"]
    assert policy["spec"]["egress"][0]["ports"] == [{"port": listener["port"]}]
    told = options(settings_in(made), tmp_path, monkeypatch)
    files = {told[name] for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    assert told.keys() == {"security_protocol", "ssl_cafile", "ssl_certfile", "ssl_keyfile"}
    secrets = {f"{kafka['metadata']['name']}-cluster-ca-cert": {"ca.crt"}}
    secrets[user["metadata"]["name"]] = {"user.crt", "user.key"}
    of_pods = dict(pods_in(made))
    for name in set(AT_KAFKA) - {"Job/topics"}:
        assert mounted(of_pods[name])["/etc/isodose/kafka"] == "projected", name
        [sources] = [v["projected"]["sources"] for v in of_pods[name]["volumes"] if v["name"] == "kafka"]
        given = {one["secret"]["name"]: {i["key"] for i in one["secret"]["items"]} for one in sources}
        assert given == secrets
        assert files == {str(tmp_path / i["path"]) for one in sources for i in one["secret"]["items"]}
    assert {name: found for name, pod in of_pods.items() if (found := list(offences(pod)))} == {}


def test_the_topics_of_strimzi_are_those_of_the_contract(tmp_path: Path) -> None:
    topics = named(with_components(tmp_path, "strimzi"), "KafkaTopic")
    assert topics.keys() == TOPICS.keys()
    for name, topic in TOPICS.items():
        made = topics[name]["spec"]
        assert (made["partitions"], made["config"]["cleanup.policy"]) == (topic.partitions, topic.cleanup)
        kept = int(topic.retention.total_seconds() * 1000) if "delete" in topic.cleanup else None
        assert made["config"].get("retention.ms") == kept
