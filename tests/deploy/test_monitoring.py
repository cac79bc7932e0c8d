"""Dashboards and alerts ask for what the code exposes, and every alert is explained to who is woken by it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from all_in_one.composition import SERVICES
from isodose.events.contract import TOPICS
from isodose.settings import Settings
from isodose.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARDS = {
    file.name: json.loads(file.read_text()) for file in (ROOT / "deploy/grafana/dashboards").glob("*.json")
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
QUERIES = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{name}: {panel['title']} {target['refId']}": target["expr"]
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel["targets"]
}


def exposed() -> dict[str, set[str]]:
    """The series of the code's metrics, by name, with their labels."""
    found: dict[str, set[str]] = {"up": {"job", "service", "instance"}}
    for metric in vars(Metrics()).values():
        if not hasattr(metric, "_labelnames"):
            continue
        names = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
        for ending in names[metric._type]:
            found[metric._name + ending] = set(metric._labelnames) | (
                {"le"} if ending == "_bucket" else set()
            )
    return found


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_asks_for_series_and_labels_that_the_code_exposes(name: str) -> None:
    query, series = QUERIES[name], exposed()
    asked = re.findall(r"\b(isodose_\w+|up)\b(?:{((?:[^{}\"]|\"[^\"]*\")*)})?", query)
    assert asked
    labels = set()
    for metric, matchers in asked:
        assert metric in series
        named = set(re.findall(r"(\w+)=~?\"", matchers))
        assert named <= series[metric]
        labels |= series[metric]
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert set(grouped.split(", ")) <= labels
    assert set(re.findall(r"isodose\.[a-z-]+\.v\d", query)) <= TOPICS.keys()
    assert query.count("(") == query.count(")")


def test_every_metric_is_on_a_dashboard() -> None:
    asked = " ".join(QUERIES.values())
    shown = {name for name in exposed() if not name.endswith(("_sum", "_count"))}
    assert {name for name in shown if not re.search(rf"\b{name}\b", asked)} == set()


def test_the_operations_guide_names_every_metric() -> None:
    for name in exposed():
        if name.startswith("isodose_") and not name.endswith(("_sum", "_count")):
            assert f"`{name.removesuffix('_bucket')}`" in RUNBOOK


def test_every_alert_has_its_entry_in_the_runbook_and_no_entry_is_left_over() -> None:
    _, _, section = RUNBOOK.partition("\n## Alerts\n")
    entries = re.findall(r"^### (\w+)\n\n(?=\w)", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(entries) == sorted(rule["alert"] for rule in RULES)
    for rule in RULES:
        assert rule["annotations"]["runbook_url"].endswith(f"docs/operations.md#{rule['alert'].lower()}")
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]


def test_a_dashboard_names_the_alerts_that_watch_the_same() -> None:
    described = " ".join(panel["description"] for d in DASHBOARDS.values() for panel in d["panels"])
    assert {rule["alert"] for rule in RULES if rule["alert"] not in described} == set()


def test_prometheus_asks_every_service_on_its_port() -> None:
    [job] = PROMETHEUS["scrape_configs"]
    asked = {one["labels"]["service"]: one["targets"] for one in job["static_configs"]}
    assert asked == {
        name: [f"127.0.0.1:{make(Settings().for_service(name, 0)).port}"] for name, make in SERVICES.items()
    }
    assert {job["job_name"]} == set(re.findall(r'job="(\w+)"', " ".join(QUERIES.values())))


def test_prometheus_reaches_the_services_and_grafana_reaches_prometheus() -> None:
    assert COMPOSE["prometheus"]["network_mode"] == COMPOSE["worklist"]["network_mode"] == "service:gateway"
    [source] = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://gateway:9090"
    used = {t["datasource"]["uid"] for d in DASHBOARDS.values() for p in d["panels"] for t in p["targets"]}
    assert used == {source["uid"]}


def test_what_is_mounted_is_where_it_is_looked_for() -> None:
    mounts = {
        target: source
        for name in ("prometheus", "grafana")
        for source, target in (volume.split(":")[:2] for volume in COMPOSE[name]["volumes"])
    }
    for target, source in mounts.items():
        assert not source.startswith("./") or (ROOT / source).is_dir(), target
    assert PROMETHEUS["rule_files"] == ["/etc/prometheus/alerts.yml"]
    assert mounts["/etc/prometheus"] == "./deploy/prometheus"
    [provider] = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/isodose.yml").read_text())[
        "providers"
    ]
    assert mounts[provider["options"]["path"]] == "./deploy/grafana/dashboards"
