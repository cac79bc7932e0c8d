"""A year in the life of synthetic patients: the plan after each event, whichever way the days pass."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from are_surveillance.decision import decide
from are_surveillance.outputs import resources
from are_surveillance.turning_days import next_change
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

STORIES = yaml.safe_load(
    (Path(__file__).parents[1] / "scenarios" / "surveillance" / "timelines.yaml").read_text(encoding="utf-8")
)
BASE = "https://isodose.example/fhir"
Story = dict[str, Any]
each_patient = pytest.mark.parametrize("patient", STORIES, ids=[one["patient"] for one in STORIES])


def known_on(patient: Story, day: dt.date) -> dict[str, Any]:
    """What has become known by a day, as a row: later words on the same thing replace earlier ones."""
    row: dict[str, Any] = {"day": day, "facts": {}}
    parts: dict[str, dict[str, Any]] = {"courses": {}, "scans": {}, "drugs": {}, "operations": {}}
    for index, event in enumerate(one for one in patient["story"] if one["day"] <= day):
        told_on = event["day"]
        if "srs" in event:
            usual = {"ref": "Procedure/c0" if not parts["courses"] else "Procedure/c1"}
            usual |= {} if event["srs"].keys() & {"start", "end"} else {"end": told_on}
            _keep(parts["courses"], usual | event["srs"])
        if "scan" in event:
            _keep(parts["scans"], {"ref": f"ImagingStudy/s{index}", "day": told_on} | event["scan"])
        if "book" in event:
            _keep(parts["scans"], {"status": "booked"} | event["book"])
        if "unbook" in event:
            parts["scans"].pop(event["unbook"], None)
        if "operation" in event:
            _keep(parts["operations"], {"day": told_on} | event["operation"])
        for name, value in event.get("facts", {}).items():
            given = value if isinstance(value, dict) else {"value": value, "since": told_on}
            row["facts"].setdefault(name, []).append(given)
        row["deceased"] = row.get("deceased", False) or event.get("died", False)
    return row | {name: list(found.values()) for name, found in parts.items()}


def _keep(found: dict[str, Any], told: dict[str, Any]) -> None:
    found[told["ref"]] = told


@each_patient
def test_the_plan_stands_as_told_after_each_event(patient: Story, known: Knowledge, told: ModuleType) -> None:
    for event in patient["story"]:
        if "then" in event:
            row = known_on(patient, event["day"]) | {"expect": event["then"]}
            assert told.plan_differs(row, known) == [], event["day"]


def concluded(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[dict[str, Any]]:
    return resources(record, decide(record, knowledge, on), knowledge, on, BASE)


@each_patient
def test_day_by_day_and_at_one_jump_the_plan_is_the_same(
    patient: Story, known: Knowledge, told: ModuleType
) -> None:
    """Deciding only on days with an event or when it was said to be due is deciding every day."""
    days = [event["day"] for event in patient["story"]]
    last, day = days[-1] + dt.timedelta(days=200), days[0]
    shown: list[dict[str, Any]] = []
    due: dt.date | None = day
    while day <= last:
        record = told.record_of(known_on(patient, day))
        if day in days or (due is not None and day >= due):
            findings = decide(record, known, day)
            shown = resources(record, findings, known, day, BASE)
            due = next_change(known, record, findings, day)
        if day in days or day.day == 1:
            assert shown == concluded(record, known, day), day
        day += dt.timedelta(days=1)


@each_patient
def test_in_any_order_the_same_events_give_the_same_plan(
    patient: Story, known: Knowledge, told: ModuleType
) -> None:
    day = patient["story"][-1]["day"]
    row = known_on(patient, day)
    wanted = concluded(told.record_of(row), known, day)
    for seed in range(3):
        mixed = {
            name: random.Random(seed).sample(found, len(found)) if isinstance(found, list) else found
            for name, found in row.items()
        }
        assert concluded(told.record_of(mixed), known, day) == wanted


@each_patient
def test_a_window_that_a_scan_closed_stays_as_it_was(
    patient: Story, known: Knowledge, told: ModuleType
) -> None:
    done: dict[str, Any] = {}
    for event in patient["story"]:
        record = told.record_of(known_on(patient, event["day"]))
        orders = [r for r in concluded(record, known, event["day"]) if r["resourceType"] == "ServiceRequest"]
        closed = {o["id"]: o["occurrencePeriod"] for o in orders if o["status"] == "completed"}
        if not record.deceased and patient["patient"] != "A course known at first to the month only":
            assert {key: closed.get(key) for key in done} == done, event["day"]
        done |= closed
        assert len({o["id"] for o in orders}) == len(orders)


@each_patient
def test_no_proposal_lies_wholly_in_the_past(patient: Story, known: Knowledge, told: ModuleType) -> None:
    for event in patient["story"]:
        record = told.record_of(known_on(patient, event["day"]))
        for order in concluded(record, known, event["day"]):
            if order["resourceType"] == "ServiceRequest" and order["status"] == "draft":
                end = dt.date.fromisoformat(order["occurrencePeriod"]["end"])
                assert end >= event["day"] or event["day"] - end <= dt.timedelta(days=7)
