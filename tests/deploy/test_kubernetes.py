"""What kustomize builds is valid, locked down, and in step with the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from all_in_one.command import app as command
from all_in_one.composition import PREFIXES, SERVICES
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
BUILT = {name: make(Settings().for_service(name, 0)) for name, make in SERVICES.items()}
VARIABLES = {
    str(field.validation_alias or f"ISODOSE_{name.upper()}") for name, field in Settings.model_fields.items()
}
BUILDS = ("base", "overlays/local", "overlays/production")
KUBERNETES = "1.32"


@cache
def build(folder: str) -> tuple[dict[str, Any], ...]:
    if shutil.which("kubectl") is None:
        reason = "kubectl is not here, so the manifests cannot be built; install it to run these tests"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    made = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "k8s" / folder)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return tuple(yaml.safe_load_all(made.stdout))


def of_kind(folder: str, kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in build(folder) if found["kind"] == kind}


def pods(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in build(folder):
        spec = found.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield f"{found['kind']}/{found['metadata']['name']}", spec["template"]["spec"]


def containers(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods(folder):
        for container in pod["containers"]:
            yield f"{name}/{container['name']}", container


@pytest.mark.parametrize("folder", BUILDS)
def test_every_object_is_valid_strictly(folder: str) -> None:
    for found in build(folder):
        kubernetes_validate.validate(found, KUBERNETES, strict=True)


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
    [settings] = [m for n, m in of_kind(folder, "ConfigMap").items() if n.startswith("isodose-settings")]
    assert settings["data"]["ISODOSE_HOST"] == "0.0.0.0"
    assert settings["data"]["ISODOSE_AUTH"] == "smart"


@pytest.mark.parametrize("folder", BUILDS)
def test_public_addresses_are_those_of_the_paths(folder: str) -> None:
    [public] = [m for n, m in of_kind(folder, "ConfigMap").items() if n.startswith("isodose-public-urls")]
    assert public["data"] == {name: f"https://isodose.example{prefix}" for name, prefix in PREFIXES.items()}


@pytest.mark.parametrize("folder", BUILDS)
def test_the_ingress_opens_the_public_paths_and_no_others(folder: str) -> None:
    [rule] = of_kind(folder, "Ingress")["isodose"]["spec"]["rules"]
    deciding = {f"{prefix}/fhir" for prefix in PREFIXES.values() if prefix}
    assert {path["path"] for path in rule["http"]["paths"]} == deciding | {
        "/fhir",
        "/cds-services",
        "/worklist",
    }
    assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"gateway"}


@pytest.mark.parametrize("folder", BUILDS)
def test_every_pod_is_locked_down(folder: str) -> None:
    for name, pod in pods(folder):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
    for name, container in containers(folder):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert container["resources"]["limits"]["memory"], name
        if "isodose" in container["image"] or "nginx" in container["image"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


@pytest.mark.parametrize("folder", BUILDS)
def test_jobs_call_commands_that_exist_and_every_database_is_migrated(folder: str) -> None:
    known = {entry.name or entry.callback.__name__ for entry in command.registered_commands if entry.callback}
    arguments = [c["args"] for n, c in containers(folder) if n.startswith(("Job/", "CronJob/"))]
    assert {args[0] for args in arguments} == {"migrate", "topics", "day"} <= known
    migrated = {args[1] for args in arguments if args[0] == "migrate"}
    assert migrated == {name for name, service in BUILT.items() if service.keeps_state}


@pytest.mark.parametrize("folder", BUILDS)
def test_every_name_referred_to_is_there(folder: str) -> None:
    text = yaml.safe_dump_all(build(folder))
    configured = set(of_kind(folder, "ConfigMap"))
    assert set(re.findall(r"configMap(?:KeyRef|Ref)?:\n\s+(?:key: \w+\n\s+)?name: (\S+)", text)) <= configured
    if folder == "overlays/local":
        [secret] = of_kind(folder, "Secret").values()
        assert {name for name, service in BUILT.items() if service.keeps_state} <= secret["data"].keys()


def test_the_local_overlay_brings_what_the_settings_name() -> None:
    settings = next(
        m for n, m in of_kind("overlays/local", "ConfigMap").items() if n.startswith("isodose-settings")
    )
    services = of_kind("overlays/local", "Service")
    host, _, port = settings["data"]["ISODOSE_EVENT_LOG_URL"].removeprefix("kafka://").partition(":")
    assert services[host]["spec"]["ports"][0]["port"] == int(port)
    host, _, port = settings["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://").partition(":")
    assert services[host]["spec"]["ports"][0]["port"] == int(port)
