"""The surveillance plan of patients told in rows that a clinician can read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from are_surveillance import knowledge, site_calendar
from are_surveillance.decision import SCHEDULE, decide
from are_surveillance.outputs import resources
from isodose.clinical.knowledge import Knowledge
from isodose.fhir.validation import validate

ROWS = yaml.safe_load(
    (Path(__file__).parents[1] / "scenarios" / "surveillance" / "schedule.yaml").read_text(encoding="utf-8")
)
BASE = "https://isodose.example/fhir"


@cache
def known_at(calendar: str) -> Knowledge:
    return knowledge.load(working_days=site_calendar.calendar(calendar))


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_plan_is_the_one_expected(row: dict[str, Any], told: ModuleType) -> None:
    assert told.plan_differs(row, known_at(row.get("calendar", ""))) == []


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_what_is_concluded_is_valid_fhir(row: dict[str, Any], known: Knowledge, told: ModuleType) -> None:
    record, on = told.record_of(row), row["day"]
    findings = decide(record, known, on)
    made = resources(record, findings, known, on, BASE)
    for resource in made:
        validate(resource)
    assert len({resource["id"] for resource in made}) == len(made)
    assert sum(resource["resourceType"] == "CarePlan" for resource in made) == (
        row["expect"]["status"] not in ("none", "ended")
    )
    for order in (r for r in made if r["resourceType"] == "ServiceRequest"):
        assert order["intent"] == "proposal"
        assert order["code"]["coding"][0]["code"] == "24587-8"


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_one_finding_states_the_plan_and_its_sources(
    row: dict[str, Any], known: Knowledge, told: ModuleType
) -> None:
    record, on = told.record_of(row), row["day"]
    stated = [
        f for f in decide(record, known, on) if f.code == SCHEDULE and f.applies_to.startswith("Procedure/")
    ]
    real = [course for course in record.courses if not course.draft and course.fractions_delivered != 0]
    assert len(stated) == bool(real and not record.deceased)
    for finding in stated:
        assert finding.awaits_sign_off
        assert (finding.verdict == "met") is (row["expect"]["status"] == "active")
        beside = {"SUP-SURV-guideline-table", "SUP-SURV-protocol", "SUP-SURV-adherence-benchmark"}
        assert beside <= set(finding.evidence)
