"""What kustomize builds is valid, locked down, and in step with the code."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from all_in_one.command import app as command
from all_in_one.composition import PREFIXES, SERVICES
from ehr_ingestion.write_back.writing import ORDER as WRITTEN
from isodose.cds_hooks.trust import clients_in
from isodose.events.contract import TOPICS
from isodose.settings import Settings
from manifests import (
    BUILDS,
    BUILT,
    BUILT_IN,
    COMPONENTS,
    ROOT,
    STATEFUL,
    build,
    containers,
    mounted,
    named,
    of_kind,
    offences,
    pods,
    selects,
    settings_in,
    settings_of,
    with_components,
)

VARIABLES = {
    str(field.validation_alias or f"ISODOSE_{name.upper()}") for name, field in Settings.model_fields.items()
}
KUBERNETES = "1.32"
READING = [name for name in STATEFUL if name != "ehr-ingestion"]
"""Those that read records too large for an event."""


@pytest.mark.parametrize("folder", BUILDS)
def test_every_object_is_valid_strictly(folder: str) -> None:
    for found in build(folder):
        if found["apiVersion"] in BUILT_IN:
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
    others = {found["apiVersion"] for found in build(folder)} - BUILT_IN
    assert (
        not others
        if folder != "overlays/production"
        else others
        == {
            "cert-manager.io/v1",
            "monitoring.coreos.com/v1",
        }
    )


@pytest.mark.parametrize("folder", BUILDS)
@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_deployed_on_its_port(folder: str, name: str) -> None:
    dashed = name.replace("_", "-")
    [container] = of_kind(folder, "Deployment")[dashed]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["serve", name]
    assert container["ports"] == [{"name": "http", "containerPort": BUILT[name].port}]
    environment = {variable["name"]: variable for variable in container["env"]}
    assert environment["ISODOSE_PORT"]["value"] == str(BUILT[name].port)
    assert ("ISODOSE_DATABASE_URL" in environment) == BUILT[name].keeps_state
    [port] = of_kind(folder, "Service")[dashed]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (BUILT[name].port, "http")
    for probe, path in (
        ("livenessProbe", "/healthz"),
        ("startupProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}


@pytest.mark.parametrize("folder", BUILDS)
def test_every_variable_is_a_setting(folder: str) -> None:
    of_services = {n: c for n, c in containers(folder) if "isodose" in c["image"]}
    given = {variable["name"] for c in of_services.values() for variable in c.get("env", ())}
    [settings] = [m for n, m in of_kind(folder, "ConfigMap").items() if n.startswith("isodose-settings")]
    assert given | settings["data"].keys() <= VARIABLES
    for name, field in Settings.model_fields.items():
        if name.endswith("_url") and (service := name.removesuffix("_url")) in SERVICES and field.default:
            variable = settings["data"][f"ISODOSE_{name.upper()}"]
            assert (
                variable == f"http://{service.replace('_', '-')}:{BUILT[service].port}"
                or service == "worklist"
            )


@pytest.mark.parametrize("folder", BUILDS)
def test_off_loopback_authorisation_is_on(folder: str) -> None:
    assert settings_of(folder)["ISODOSE_HOST"] == "0.0.0.0"
    assert settings_of(folder)["ISODOSE_AUTH"] == "smart"


@pytest.mark.parametrize("folder", BUILDS)
def test_public_addresses_are_those_of_the_paths(folder: str) -> None:
    [public] = [m for n, m in of_kind(folder, "ConfigMap").items() if n.startswith("isodose-public-urls")]
    assert public["data"] == {name: f"https://isodose.example{prefix}" for name, prefix in PREFIXES.items()}


@pytest.mark.parametrize("folder", BUILDS)
def test_the_ingress_opens_the_public_paths_and_no_others(folder: str) -> None:
    [rule] = of_kind(folder, "Ingress")["isodose"]["spec"]["rules"]
    of_each = {f"{prefix}/{what}" for prefix in PREFIXES.values() for what in ("fhir", "openapi.json")}
    assert {path["path"] for path in rule["http"]["paths"]} == of_each | {
        "/notifications",
        "/cds-services",
        "/worklist",
    }
    assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"gateway"}


OF_ONE_SERVICE = {
    "ISODOSE_SMART_CLIENT_KEY_FILE": "worklist",
    "ISODOSE_SMART_CLIENT_SECRET_FILE": "worklist",
    "ISODOSE_EHR_KEY_FILE": "ehr-ingestion",
    "ISODOSE_NOTIFICATION_SECRET_FILE": "ehr-ingestion",
    "ISODOSE_SUBSCRIBER_KEY_FILE": "ehr-ingestion",
}
"""Secrets that no other service may hold."""


@pytest.mark.parametrize("folder", BUILDS)
def test_every_file_that_the_settings_name_is_mounted_where_it_is_needed(folder: str) -> None:
    files = {name: path for name, path in settings_of(folder).items() if name.endswith("_FILE")}
    assert "ISODOSE_SERVICE_KEY_FILE" in files
    for name, path in files.items():
        for dashed in STATEFUL:
            found = mounted(of_kind(folder, "Deployment")[dashed]["spec"]["template"]["spec"])
            needed = OF_ONE_SERVICE.get(name, dashed) == dashed
            assert (str(Path(path).parent) in found) == needed, (name, dashed)
            if needed and name != "ISODOSE_CDS_CLIENTS_FILE":
                assert found[str(Path(path).parent)] == "secret", (name, dashed)


@pytest.mark.parametrize("folder", BUILDS)
def test_what_is_mounted_for_the_group_is_readable_by_the_user_of_the_pod(folder: str) -> None:
    for name, pod in pods(folder):
        modes = [v[kind].get("defaultMode") for v in pod.get("volumes", ()) for kind in v.keys() & {"secret"}]
        assert set(modes) <= {0o440}, name
        assert not modes or pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"], name


@pytest.mark.parametrize("folder", BUILDS)
def test_the_settings_are_read_as_they_stand(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(folder).items():
        monkeypatch.setenv(name, value)
    proxies = Settings().proxies
    assert proxies
    assert all(ip_network(network).is_private for network in proxies)


def test_a_site_s_settings_name_all_that_has_to_do_with_its_ehr() -> None:
    settings = settings_of("overlays/production")
    not_asked = {
        "ISODOSE_EHR_INGESTION_URL",
        "ISODOSE_EHR_TIMEOUT_S",
        "ISODOSE_EHR_REQUESTS_PER_MINUTE",
    }
    asked = (
        "ISODOSE_EHR_",
        "ISODOSE_WRITE_BACK_",
        "ISODOSE_SUBSCRIBER_",
        "ISODOSE_NOTIFICATION_",
        "ISODOSE_CDS_",
    )
    wanted = {name for name in VARIABLES if name.startswith(asked)} - not_asked
    assert wanted - not_asked <= settings.keys()
    types = settings["ISODOSE_WRITE_BACK_TYPES"].split(",")
    assert set(types) <= set(WRITTEN)
    assert all(f"system/{kind}.crud" in settings["ISODOSE_EHR_SCOPE"].split() for kind in types)


def test_a_site_s_cds_clients_are_a_list_that_is_read(tmp_path: Path) -> None:
    [listed] = [
        m["data"]
        for n, m in of_kind("overlays/production", "ConfigMap").items()
        if n.startswith("isodose-cds-clients")
    ]
    path = Path(settings_of("overlays/production")["ISODOSE_CDS_CLIENTS_FILE"])
    assert listed.keys() == {path.name}
    (tmp_path / path.name).write_text(listed[path.name])
    assert [client.iss for client in clients_in(tmp_path / path.name)] == ["https://ehr.example"]


def test_the_population_is_read_with_the_client_of_the_settings(tmp_path: Path) -> None:
    made = named(with_components(tmp_path, "bulk-pull"), "CronJob")["bulk-pull"]
    pod = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert list(offences(pod)) == []
    assert CliRunner().invoke(command, [*pod["containers"][0]["args"], "--help"]).exit_code == 0
    assert made["spec"]["concurrencyPolicy"] == "Forbid"
    key = Path(settings_of("overlays/production")["ISODOSE_EHR_KEY_FILE"])
    assert mounted(pod)[str(key.parent)] == "secret"


def test_a_site_s_users_sign_in_at_their_ehr() -> None:
    settings = settings_of("overlays/production")
    for name in ("ISSUER", "JWKS_URL", "TOKEN_URL", "LAUNCH_ISSUERS", "CLIENT_ID", "CLIENT_KEY_FILE"):
        assert settings[f"ISODOSE_SMART_{name}"], name


@pytest.mark.parametrize("folder", BUILDS)
def test_every_pod_keeps_to_the_restricted_standard_and_the_namespace_enforces_it(folder: str) -> None:
    assert {name: found for name, pod in pods(folder) if (found := list(offences(pod)))} == {}
    [namespace] = of_kind(folder, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("folder", BUILDS)
def test_every_pod_is_bounded_and_holds_no_token(folder: str) -> None:
    for name, pod in pods(folder):
        assert pod["automountServiceAccountToken"] is False, name
    for name, container in containers(folder):
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        if "isodose" in container["image"] or "nginx" in container["image"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


@pytest.mark.parametrize("folder", BUILDS)
def test_everything_of_ours_runs_under_an_account_of_its_own_that_has_no_token(folder: str) -> None:
    accounts = of_kind(folder, "ServiceAccount")
    assert {account["automountServiceAccountToken"] for account in accounts.values()} == {False}
    used = {name: pod.get("serviceAccountName") for name, pod in pods(folder)}
    for dashed in [*STATEFUL, "gateway"]:
        assert used[f"Deployment/{dashed}"] == dashed
    assert {used[name] for name in used if "Job/" in name} == {"jobs"}
    assert set(filter(None, used.values())) == accounts.keys()


@pytest.mark.parametrize("folder", BUILDS)
def test_one_replica_may_always_go_and_another_come(folder: str) -> None:
    for dashed in [*STATEFUL, "gateway"]:
        deployment = of_kind(folder, "Deployment")[dashed]
        pod = deployment["spec"]["template"]
        assert "replicas" not in deployment["spec"], "the autoscaler says how many"
        scaler = of_kind(folder, "HorizontalPodAutoscaler")[dashed]["spec"]
        assert scaler["scaleTargetRef"]["name"] == dashed
        assert scaler["minReplicas"] == (1 if folder == "overlays/local" else 2)
        assert scaler["maxReplicas"] <= max(topic.partitions for topic in TOPICS.values())
        budget = of_kind(folder, "PodDisruptionBudget")[dashed]["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert pod["spec"]["topologySpreadConstraints"]
        for constraint in pod["spec"]["topologySpreadConstraints"]:
            assert constraint["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("folder", BUILDS)
def test_jobs_call_commands_that_exist_and_every_database_is_migrated(folder: str) -> None:
    arguments = [c["args"] for n, c in containers(folder) if n.startswith(("Job/", "CronJob/"))]
    at_a_site = {"bulk-pull"} if folder == "overlays/production" else set()
    assert {args[0] for args in arguments} == {"migrate", "topics", "day"} | at_a_site
    assert all(CliRunner().invoke(command, [*args, "--help"]).exit_code == 0 for args in arguments)
    migrated = {args[1] for args in arguments if args[0] == "migrate"}
    assert migrated == {name for name, service in BUILT.items() if service.keeps_state}


@pytest.mark.parametrize("folder", BUILDS)
def test_every_name_referred_to_is_there(folder: str) -> None:
    text = yaml.safe_dump_all(build(folder))
    configured = set(of_kind(folder, "ConfigMap"))
    needed = r"configMap(?:KeyRef|Ref)?:\n\s+(?:key: \w+\n\s+)?name: (\S+)\n(?!\s+optional: true)"
    assert set(re.findall(needed, text)) <= configured
    if folder == "overlays/local":
        given = {key for secret in of_kind(folder, "Secret").values() for key in secret["data"]}
        assert {name for name, service in BUILT.items() if service.keeps_state} | {"service-key"} <= given


def test_the_local_overlay_brings_what_the_settings_name() -> None:
    settings = next(
        m for n, m in of_kind("overlays/local", "ConfigMap").items() if n.startswith("isodose-settings")
    )
    services = of_kind("overlays/local", "Service")
    host, _, port = settings["data"]["ISODOSE_EVENT_LOG_URL"].removeprefix("kafka://").partition(":")
    assert services[host]["spec"]["ports"][0]["port"] == int(port)
    host, _, port = settings["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://").partition(":")
    assert services[host]["spec"]["ports"][0]["port"] == int(port)


def labels_of(folder: str) -> dict[str, dict[str, str]]:
    found = {}
    for one in build(folder):
        spec = one.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found[one["metadata"]["name"]] = spec["template"]["metadata"]["labels"]
    return found


def open_ports(folder: str, direction: str, pod: dict[str, str], peer: dict[str, str]) -> set[int]:
    """The ports on which policies let `pod` receive from, or send to, `peer` in the namespace."""
    member = {"ingress": "from", "egress": "to"}[direction]
    found: set[int] = set()
    for policy in of_kind(folder, "NetworkPolicy").values():
        if not selects(policy["spec"]["podSelector"], pod):
            continue
        for rule in policy["spec"].get(direction, ()):
            if any("podSelector" in one and selects(one["podSelector"], peer) for one in rule[member]):
                found |= {port["port"] for port in rule["ports"]}
    return found


def test_nothing_is_open_but_the_flows_of_the_architecture() -> None:
    folder = "overlays/local"
    labels = labels_of(folder)
    flows = {
        (source, target, port)
        for source in labels
        for target in labels
        for port in open_ports(folder, "egress", labels[source], labels[target])
        & open_ports(folder, "ingress", labels[target], labels[source])
    }
    services = {name.replace("_", "-"): service.port for name, service in BUILT.items()}
    assert flows == (
        {("gateway", name, port) for name, port in services.items()}
        | {("worklist", name, services[name]) for name in STATEFUL if name != "worklist"}
        | {(name, "ehr-ingestion", services["ehr-ingestion"]) for name in READING}
        | {(name, "postgres", 5432) for name in [*STATEFUL, "migrate"]}
        | {(name, "kafka", 9092) for name in [*STATEFUL, "topics", "day"]}
        | {(name, "collector", 4318) for name in services}
    )


@pytest.mark.parametrize("folder", BUILDS)
def test_what_is_not_allowed_is_denied(folder: str) -> None:
    denied = of_kind(folder, "NetworkPolicy")["default-deny"]["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_component_fits_the_base_alone(name: str, tmp_path: Path) -> None:
    for found in with_components(tmp_path, name):
        if found["apiVersion"] in BUILT_IN:
            kubernetes_validate.validate(found, KUBERNETES, strict=True)


def test_all_components_together_bring_what_the_settings_name(tmp_path: Path) -> None:
    together = with_components(tmp_path, *COMPONENTS)
    kafka = named(together, "Kafka")["isodose"]
    [listener] = kafka["spec"]["kafka"]["listeners"]
    url = f"kafka://{kafka['metadata']['name']}-kafka-bootstrap:{listener['port']}"
    assert settings_in(together)["ISODOSE_EVENT_LOG_URL"] == url
    databases = {one["spec"]["name"]: one["spec"]["owner"] for one in named(together, "Database").values()}
    roles = named(together, "Cluster")["isodose-postgres"]["spec"]["managed"]["roles"]
    stateful = [name for name, service in BUILT.items() if service.keeps_state]
    assert databases == {name: name for name in stateful}
    assert [role["name"] for role in roles] == stateful


def test_scaling_on_lag_asks_what_the_services_expose_and_replaces_scaling_on_cpu(tmp_path: Path) -> None:
    made = with_components(tmp_path, "keda")
    scaled = named(made, "ScaledObject")
    assert scaled.keys() == set(STATEFUL)
    assert not named(made, "HorizontalPodAutoscaler").keys() & scaled.keys()
    for dashed, one in scaled.items():
        [lag] = [t["metadata"]["query"] for t in one["spec"]["triggers"] if t["type"] == "prometheus"]
        assert lag == f'sum(isodose_consumer_lag{{service="{dashed.replace("-", "_")}"}})'
        assert one["spec"]["scaleTargetRef"]["name"] == dashed


def test_the_cluster_watches_by_the_same_rules_and_finds_the_services(tmp_path: Path) -> None:
    made = with_components(tmp_path, "monitoring")
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert named(made, "PrometheusRule")["isodose"]["spec"] == rules
    monitor = named(made, "ServiceMonitor")["isodose"]["spec"]
    watched = {
        n for n, s in named(made, "Service").items() if selects(monitor["selector"], s["metadata"]["labels"])
    }
    assert watched == set(STATEFUL)
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} == {"http"}


def test_the_certificate_is_the_one_the_ingress_shows(tmp_path: Path) -> None:
    made = with_components(tmp_path, "cert-manager")
    [tls] = named(made, "Ingress")["isodose"]["spec"]["tls"]
    certificate = named(made, "Certificate")["isodose"]["spec"]
    assert (tls["secretName"], tls["hosts"]) == (certificate["secretName"], certificate["dnsNames"])
