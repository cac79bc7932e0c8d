"""Clinical scenarios: what each entry says, which alerts are raised; order and company do not matter."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from fhir.resources.R4B.detectedissue import DetectedIssue
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alert_scenarios import SCENARIOS, TODAY, record_of
from ici_steroid_alerts import alerts, decision, knowledge, outputs
from isodose.clinical.finding import encode
from isodose.clinical.record import Exposure, Fact
from isodose.fhir.validation import validate

KNOWLEDGE = knowledge.load()
BASE = "https://isodose.example/fhir"


def named(row: dict[str, Any]) -> str:
    return str(row["name"])


@pytest.mark.parametrize("row", SCENARIOS, ids=named)
def test_a_scenario_is_judged_as_written(row: dict[str, Any]) -> None:
    findings = decision.decide(record_of(row), KNOWLEDGE, TODAY)
    for code, expected in row.get("expect", {}).items():
        found = [f for f in findings if f.code == code]
        if expected in ("met", "not-met", "unknown"):
            assert {f.verdict for f in found} == {expected}, code
        else:
            assert [f.value for f in found] == [
                pytest.approx(expected, abs=0.001) if isinstance(expected, float) else expected
            ]
    for code, words in row.get("says", {}).items():
        assert words in next(f.summary for f in findings if f.code == code)


@pytest.mark.parametrize("row", [r for r in SCENARIOS if "alerts" in r or "quiet" in r], ids=named)
def test_a_scenario_raises_these_alerts_and_no_others(row: dict[str, Any]) -> None:
    record = record_of(row)
    findings = decision.decide(record, KNOWLEDGE, TODAY)
    raised = alerts.alerts(record, findings, KNOWLEDGE, TODAY)
    assert {a.code: a.severity for a in raised} == row.get("alerts", {})
    issues = outputs.resources(record, findings, KNOWLEDGE, TODAY, BASE)
    for issue in issues:
        validate(issue)
        DetectedIssue.model_validate(issue)
    assert len({issue["id"] for issue in issues}) == len(issues)


@pytest.mark.parametrize("why", ["immune-related colitis", "adrenal insufficiency"])
def test_no_alert_asks_to_taper_steroid_that_another_reason_needs(why: str) -> None:
    drugs = [{"drug": "nivolumab", "from": -40}, {"drug": "prednisone", "from": -3, "mg": 60, "why": why}]
    record = record_of({"drugs": drugs, "facts": {"neuro_symptomatic": False}})
    findings = decision.decide(record, KNOWLEDGE, TODAY)
    (alert,) = (
        a for a in alerts.alerts(record, findings, KNOWLEDGE, TODAY) if a.code == "DRUG-steroid-ici-alert"
    )
    assert "no reason to lower or to stop this steroid" in alert.action
    assert {"SUP-STER-ici-10mg", "SUP-STER-peri-srs"}.isdisjoint(f.code for f in alert.findings)


@pytest.mark.parametrize("row", SCENARIOS[::4], ids=named)
def test_the_order_in_which_things_were_read_does_not_matter(row: dict[str, Any]) -> None:
    record = record_of(row)
    decided = decision.decide(record, KNOWLEDGE, TODAY)
    expected = encode(decided)
    issues = outputs.resources(record, decided, KNOWLEDGE, TODAY, BASE)

    @settings(max_examples=10, deadline=None, derandomize=True)
    @given(st.permutations(record.exposures), st.permutations(record.facts))
    def same(exposures: list[Exposure], stated: list[Fact]) -> None:
        other = replace(record, exposures=tuple(exposures), facts=tuple(stated))
        findings = decision.decide(other, KNOWLEDGE, TODAY)
        assert encode(findings) == expected
        assert outputs.resources(other, findings, KNOWLEDGE, TODAY, BASE) == issues

    same()


@pytest.mark.parametrize("row", SCENARIOS[::3], ids=named)
def test_an_unrelated_drug_changes_nothing(row: dict[str, Any]) -> None:
    record = record_of(row)
    unrelated = Exposure(
        ref="MedicationRequest/levetiracetam",
        concept="levetiracetam",
        drug_class="antiseizure",
        status="active",
        start=TODAY,
        daily_dose_mg=1000,
    )
    more = replace(record, exposures=(*record.exposures, unrelated))
    before, after = (decision.decide(r, KNOWLEDGE, TODAY) for r in (record, more))
    assert encode(before) == encode(after)
    issues = (outputs.resources(r, f, KNOWLEDGE, TODAY, BASE) for r, f in ((record, before), (more, after)))
    assert next(issues) == next(issues)


def test_many_orders_of_one_pair_are_one_alert_with_one_key() -> None:
    drugs = [
        {"drug": "nivolumab", "from": -40},
        *({"drug": "prednisone", "from": -3, "mg": 5} for _ in range(4)),
    ]
    few, many = record_of({"drugs": drugs[:3]}), record_of({"drugs": drugs})
    (one,) = outputs.resources(few, decision.decide(few, KNOWLEDGE, TODAY), KNOWLEDGE, TODAY, BASE)
    (other,) = outputs.resources(many, decision.decide(many, KNOWLEDGE, TODAY), KNOWLEDGE, TODAY, BASE)
    assert one["id"] == other["id"]
    assert len(other["implicated"]) == 5


def test_days_that_pass_leave_an_alert_as_it_is() -> None:
    row = {"drugs": [{"drug": "nivolumab", "from": -40}, {"drug": "prednisone", "from": -3, "mg": 5}]}
    record = record_of(row)
    days = (TODAY, TODAY + dt.timedelta(days=2))
    first, later = (
        outputs.resources(record, decision.decide(record, KNOWLEDGE, on), KNOWLEDGE, on, BASE) for on in days
    )
    assert first == later


def test_an_undecided_alert_is_preliminary_and_a_decided_one_final() -> None:
    told = record_of(SCENARIOS[0])
    untold = record_of({"drugs": [{"drug": "nivolumab", "from": -40}, {"drug": "dexamethasone", "from": -3}]})
    statuses = [
        outputs.resources(r, decision.decide(r, KNOWLEDGE, TODAY), KNOWLEDGE, TODAY, BASE)[0]["status"]
        for r in (told, untold)
    ]
    assert statuses == ["final", "preliminary"]


def test_nothing_is_raised_for_a_patient_who_has_died() -> None:
    record = replace(record_of(SCENARIOS[0]), deceased=True)
    findings = decision.decide(record, KNOWLEDGE, TODAY)
    assert outputs.resources(record, findings, KNOWLEDGE, TODAY, BASE) == []
