"""Prometheus itself takes configuration and rules, and each rule fires when it should and not else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from debian import CannotFetch
from promtool import judged, promtool

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("alert_cases.yaml").read_text())
RULES: dict[str, Any] = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The files as the container has them, in a directory in the place of /etc/prometheus."""
    try:
        promtool()
    except CannotFetch as reason:
        pytest.skip(str(reason))
    shutil.copytree(PROMETHEUS, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "prometheus.yml"
    config.write_text(config.read_text().replace("/etc/prometheus/", f"{tmp_path}/"))
    return tmp_path


def series(given: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in given.items()]


def unit_tests(every: str) -> Iterator[dict[str, Any]]:
    for name, case in CASES.items():
        if case.get("every", "1m") != every:
            continue
        rule = RULES[name]
        told = rule["annotations"] | {"summary": case["summary"]}
        fired = {"exp_labels": case["labels"] | rule["labels"], "exp_annotations": told}
        for given, expected in ((case["fires"], [fired]), (case["quiet"], [])):
            asked = {"eval_time": case["at"], "alertname": name, "exp_alerts": expected}
            yield {"name": name, "interval": every, "input_series": series(given), "alert_rule_test": [asked]}


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert CASES.keys() == RULES.keys()
    assert all(case["fires"] and case["quiet"] for case in CASES.values())


def test_prometheus_takes_the_configuration_and_the_rules(mounted: Path) -> None:
    judged("check", "config", "prometheus.yml", at=mounted)


@pytest.mark.parametrize("every", ["1m", "10m"])
def test_each_alert_fires_when_it_should_and_is_silent_else(mounted: Path, every: str) -> None:
    asked = list(unit_tests(every))
    assert asked
    whole = {"rule_files": ["alerts.yml"], "evaluation_interval": every, "tests": asked}
    (mounted / "tests.yml").write_text(yaml.safe_dump(whole, allow_unicode=True))
    judged("test", "rules", "tests.yml", at=mounted)


def test_a_rule_that_is_wrong_is_noticed(mounted: Path) -> None:
    rules = mounted / "alerts.yml"
    rules.write_text(rules.read_text().replace("sum by (service)", "sum by (service", 1))
    with pytest.raises(AssertionError, match="could not parse"):
        judged("check", "config", "prometheus.yml", at=mounted)
