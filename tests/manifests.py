"""The manifests as kustomize builds them, and how the tests look into them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from all_in_one.composition import SERVICES
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BUILT = {name: make(Settings().for_service(name, 0)) for name, make in SERVICES.items()}
COMPONENTS = (
    "monitoring", "keda", "strimzi", "cloudnative-pg", "cert-manager", "opentelemetry", "bulk-pull",
)  # fmt: skip
BUILDS = ("base", "overlays/local", "overlays/production")
BUILT_IN = {"v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "policy/v1", "autoscaling/v2"}
STATEFUL = [name.replace("_", "-") for name, service in BUILT.items() if service.keeps_state]


@cache
def build(folder: str) -> tuple[dict[str, Any], ...]:
    if shutil.which("kubectl") is None:
        reason = "kubectl is not here, so the manifests cannot be built; install it to run these tests"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return _kustomize(ROOT / "k8s" / folder)


def _kustomize(folder: Path) -> tuple[dict[str, Any], ...]:
    made = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return tuple(yaml.safe_load_all(made.stdout))


def with_components(folder: Path, *components: str) -> tuple[dict[str, Any], ...]:
    """The base with these components, as a site would put them together."""
    build("base")
    k8s = os.path.relpath(ROOT / "k8s", folder)
    parts = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "isodose",
        "resources": [f"{k8s}/base"],
        "components": [f"{k8s}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    return _kustomize(folder)


def named(objects: tuple[dict[str, Any], ...], kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def of_kind(folder: str, kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in build(folder) if found["kind"] == kind}


def pods(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return pods_in(build(folder))


def pods_in(objects: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in objects:
        spec = found.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec and found["apiVersion"] in BUILT_IN:
            yield f"{found['kind']}/{found['metadata']['name']}", spec["template"]["spec"]


def containers(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods(folder):
        for container in pod["containers"]:
            yield f"{name}/{container['name']}", container


def mounted(pod: dict[str, Any]) -> dict[str, str]:
    """The kind of volume behind each folder of a pod's container that is given from outside."""
    kinds = ("secret", "configMap", "projected")
    given = {v["name"]: kind for v in pod["volumes"] for kind in kinds if kind in v}
    mounts = pod["containers"][0]["volumeMounts"]
    assert all(mount.get("readOnly") for mount in mounts if mount["name"] in given)
    return {mount["mountPath"]: given[mount["name"]] for mount in mounts if mount["name"] in given}


def settings_of(folder: str) -> dict[str, str]:
    return settings_in(build(folder))


def settings_in(objects: tuple[dict[str, Any], ...]) -> dict[str, str]:
    [settings] = [
        m["data"] for n, m in named(objects, "ConfigMap").items() if n.startswith("isodose-settings")
    ]
    return settings


VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def offences(pod: dict[str, Any]) -> Iterator[str]:
    """What the Pod Security Standard "restricted" forbids of this pod.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    own = pod.get("securityContext", {})
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    yield from ("sysctls" for _ in own.get("sysctls", ()))
    for volume in pod.get("volumes", ()):
        yield from (f"volume {kind}" for kind in volume.keys() - {"name"} - VOLUMES)
    for container in [*pod["containers"], *pod.get("initContainers", ())]:
        context = container.get("securityContext", {})
        both = own | context
        checks = {
            "hostPort": not any("hostPort" in port for port in container.get("ports", ())),
            "privileged": not context.get("privileged"),
            "procMount": context.get("procMount", "Default") == "Default",
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser": both.get("runAsUser") != 0,
            "seccomp": both.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"},
            "drop": context.get("capabilities", {}).get("drop") == ["ALL"],
            "add": set(context.get("capabilities", {}).get("add", ())) <= {"NET_BIND_SERVICE"},
        }
        yield from (f"{container['name']}: {name}" for name, kept in checks.items() if not kept)


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    expressions = selector.get("matchExpressions", ())
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
