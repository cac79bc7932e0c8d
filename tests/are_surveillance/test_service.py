"""The service as others meet it: days that start, the calendar feed, and the CDS cards over HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from icalendar import Calendar

from are_surveillance import knowledge
from are_surveillance.app import decider, service
from are_surveillance.feed import feed
from are_surveillance.todo import Kind
from isodose.assessment import decide, on_day_started, on_record_changed
from isodose.assessment.bundles import record_in
from isodose.clinical.knowledge import KnowledgeError
from isodose.clinical.record import Course, Fact, PatientRecord, Subject
from isodose.events import contract
from isodose.service import Running, build_app
from isodose.settings import Settings
from isodose.storage.tables import guidance

SAMPLES = Path(__file__).parents[2] / "samples" / "patients"
SRS = dt.date(2026, 1, 5)


class Clinic:
    """The service in this process without its threads: records come in, days start, requests are answered."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self.running: Running = app.state.running
        self._decides = decider(settings)

    def get(self, path: str, **headers: str) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://surveillance") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(call())

    def learns(self, *records: PatientRecord) -> None:
        events = [contract.record_changed(record) for record in records]
        with self.running.transaction() as work:
            on_record_changed(self._decides)(work, events)

    def begins(self, day: dt.date) -> int:
        """A new day; how many patients were decided on."""
        with self.running.transaction() as work:
            on_day_started(self._decides)(work, [contract.day_started(day)])
        assert self.running.renewal is not None
        decided = 0
        while passed := self.running.renewal.run_once():
            decided += passed
        return decided

    def counted(self) -> dict[str, float]:
        """Patients by state, as Prometheus reads them."""
        lines = self.get("/metrics").text.splitlines()
        series = (
            re.fullmatch(r'isodose_patients{service="are_surveillance",state="(\w+)"} (.+)', line)
            for line in lines
        )
        return {found[1]: float(found[2]) for found in series if found}

    def waits_a_minute(self) -> None:
        population = self.running._population
        assert population is not None
        population._counted_at -= 61

    def of(self, kind: str, patient: str) -> list[dict[str, Any]]:
        entries = self.get(f"/fhir/{kind}?patient={patient}&_count=50").json().get("entry", [])
        return [entry["resource"] for entry in entries]


@pytest.fixture
def clinic(new_sqlite: Callable[[], str], tmp_path: Path) -> Iterator[Clinic]:
    settings = Settings(
        database_url=new_sqlite(),
        event_log_url=f"sqlite:///{tmp_path / 'log.db'}",
        demonstration_day=dt.date(2026, 1, 6),
        worklist_url="https://worklist.example/worklist",
    )
    app = build_app(service(settings), settings)
    app.state.running.database.migrate()
    yield Clinic(app, settings)
    app.state.running.database.dispose()
    app.state.running.log.close()


def treated(patient: str, day: dt.date = SRS, version: int = 1, **more: Any) -> PatientRecord:
    course = Course(
        ref=f"Procedure/{patient}", kind="single_srs", certainty="sure", status="completed", end=day
    )
    return PatientRecord(patient_id=patient, version=version, courses=(course,), **more)


def task_kinds(clinic: Clinic, patient: str) -> list[tuple[str, str]]:
    return sorted((t["code"]["coding"][0]["code"], t["status"]) for t in clinic.of("Task", patient))


def test_due_overdue_and_lost_come_with_the_day(clinic: Clinic) -> None:
    clinic.learns(treated("p1"))
    told = {}
    for day in ("2026-02-02", "2026-03-02", "2026-04-07", "2026-06-30"):
        clinic.begins(dt.date.fromisoformat(day))
        told[day] = [kind for kind, status in task_kinds(clinic, "p1") if status == "requested"]
    assert told == {
        "2026-02-02": ["book"],
        "2026-03-02": ["due"],
        "2026-04-07": ["overdue"],
        "2026-06-30": ["lost"],
    }


def test_patients_are_counted_by_how_they_stand_and_nobody_is_named(clinic: Clinic) -> None:
    paused = Fact(name="surveillance_pause", value="hospice", source="Observation/pause")
    clinic.learns(
        treated("p1"),
        treated("p2"),
        treated("p3", dt.date(2026, 3, 30)),
        msgspec.structs.replace(treated("p4"), facts=(paused,)),
        PatientRecord(patient_id="p5", version=1),
    )
    clinic.begins(dt.date(2026, 4, 7))
    assert clinic.counted() == {"overdue": 2.0, "planned": 1.0, "paused": 1.0}
    clinic.begins(dt.date(2026, 6, 30))
    assert clinic.counted() == {"overdue": 2.0, "planned": 1.0, "paused": 1.0}
    clinic.waits_a_minute()
    assert clinic.counted() == {"lost": 2.0, "overdue": 1.0, "planned": 0.0, "paused": 1.0}


def test_one_task_goes_from_booking_to_lost_and_is_never_doubled(clinic: Clinic) -> None:
    clinic.learns(treated("p1"))
    for day in ("2026-02-02", "2026-03-02", "2026-04-07", "2026-06-30"):
        clinic.begins(dt.date.fromisoformat(day))
    assert task_kinds(clinic, "p1") == [("lost", "requested")]


def test_a_day_touches_only_the_patients_whose_plan_turns_on_it(clinic: Clinic) -> None:
    clinic.learns(*(treated(f"p{n}", SRS + dt.timedelta(days=n)) for n in range(30)))
    assert clinic.begins(dt.date(2026, 1, 7)) <= 30
    touched = [clinic.begins(dt.date(2026, 2, 2) + dt.timedelta(days=n)) for n in range(20)]
    assert max(touched[1:]) <= 4


def test_a_day_that_comes_again_changes_nothing(clinic: Clinic) -> None:
    clinic.learns(treated("p1"))
    clinic.begins(dt.date(2026, 3, 2))
    before = clinic.of("Task", "p1")
    clinic.begins(dt.date(2026, 3, 2))
    clinic.begins(dt.date(2026, 2, 20))
    assert clinic.of("Task", "p1") == before


def test_a_task_has_an_owner_and_a_day_by_which_it_is_done(clinic: Clinic) -> None:
    clinic.learns(treated("p1"))
    clinic.begins(dt.date(2026, 3, 2))
    (task,) = clinic.of("Task", "p1")
    assert task["performerType"] == [{"text": "Follow-up coordinator"}]
    assert task["restriction"]["period"] == {"start": "2026-03-02", "end": "2026-03-30"}


def test_a_question_is_answered_by_the_next_day_on_which_the_plan_acts(clinic: Clinic) -> None:
    unsure = msgspec.structs.replace(treated("p1").courses[0], certainty="ask")
    clinic.learns(PatientRecord(patient_id="p1", version=1, courses=(unsure,)))
    due = []
    for day in ("2026-01-06", "2026-03-01", "2026-03-02", "2026-04-07", "2026-06-30"):
        clinic.begins(dt.date.fromisoformat(day))
        (question,) = [t for t in clinic.of("Task", "p1") if t["code"]["coding"][0]["code"] == "question"]
        due.append(question["restriction"]["period"]["end"])
        assert due[-1] > day
    assert due[:3] == ["2026-03-02", "2026-03-02", "2026-04-07"]


def test_a_task_without_a_sourced_day_says_that_there_is_none(clinic: Clinic) -> None:
    undated = Course(ref="Procedure/c0", kind="single_srs", certainty="sure", status="completed")
    clinic.learns(PatientRecord(patient_id="p1", version=1, courses=(undated,)))
    periods = [task["restriction"]["period"] for task in clinic.of("Task", "p1")]
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    assert {"_end": {"extension": [absent]}} in periods


@pytest.mark.parametrize(("kind", "until"), [("treatment", "2026-09-28"), ("book", None)])
def test_a_site_may_set_days_where_no_source_does_and_the_task_says_so(
    told: ModuleType, kind: str, until: str | None
) -> None:
    facts = {"new_or_growing_enhancement": True, "are_symptomatic": True, "are_status": "suspected"}
    made = told.concluded(told._changing({"facts": facts}), knowledge.load(task_days={kind: 7}))
    task = told._task(made, "treatment")
    assert task["restriction"]["period"].get("end") == until
    assert ("local policy" in str(task["note"])) is (until is not None)


def test_days_for_a_kind_of_task_that_there_is_not_are_refused() -> None:
    with pytest.raises(KnowledgeError, match="breakfast"):
        knowledge.load(task_days={"breakfast": 7})


def test_the_version_of_a_site_with_days_for_every_task_has_room_in_the_tables():
    kinds = typing.get_args(Kind)
    one, other = (knowledge.load(task_days=dict.fromkeys(kinds, days)).version for days in (7, 8))
    assert one != other
    assert max(len(one), len(other)) <= guidance.c.knowledge_version.type.length


def test_an_order_that_a_new_course_sets_aside_says_why(clinic: Clinic) -> None:
    before = treated("p1")
    clinic.learns(before)
    again = msgspec.structs.replace(before.courses[0], ref="Procedure/c9", end=dt.date(2026, 1, 6))
    clinic.learns(msgspec.structs.replace(before, version=2, courses=(*before.courses, again)))
    revoked = [order for order in clinic.of("ServiceRequest", "p1") if order["status"] == "revoked"]
    assert revoked
    for order in revoked:
        assert "new: course Procedure/c9" in order["note"][-1]["text"]


def test_the_calendar_of_a_patient_holds_the_open_windows(clinic: Clinic) -> None:
    clinic.learns(treated("p1"), treated("p2", SRS - dt.timedelta(days=7)))
    answer = clinic.get("/fhir/$calendar?patient=p1", accept="text/calendar")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    events = Calendar.from_ical(answer.text).walk("VEVENT")
    starts = sorted(event["dtstart"].dt for event in events)
    ends = sorted(event["dtend"].dt for event in events)
    assert (starts[0], ends[0]) == (dt.date(2026, 3, 2), dt.date(2026, 3, 31))
    assert {str(event["summary"]) for event in events} == {"Brain MRI wanted"}
    assert {str(event["url"]) for event in events} == {"https://worklist.example/worklist/Patient/p1"}


def test_the_calendar_of_the_clinic_holds_some_weeks_of_all_patients(clinic: Clinic) -> None:
    clinic.learns(treated("p1"), treated("p2", SRS - dt.timedelta(days=7)))
    assert Calendar.from_ical(clinic.get("/fhir/$calendar").text).walk("VEVENT") != []
    told = clinic.get("/fhir/$calendar?from=2026-03-01&to=2026-03-10").text
    patients = {str(event["url"]).rpartition("/")[2] for event in Calendar.from_ical(told).walk("VEVENT")}
    assert patients == {"p1", "p2"}
    assert clinic.get("/fhir/$calendar?from=9999-12-31").status_code == 400
    none = clinic.get("/fhir/$calendar?from=2026-02-01&to=2026-02-10").text
    assert Calendar.from_ical(none).walk("VEVENT") == []


def test_open_tasks_with_a_day_are_in_the_calendar_as_to_dos(clinic: Clinic) -> None:
    clinic.learns(treated("p1"))
    clinic.begins(dt.date(2026, 4, 7))
    (todo,) = Calendar.from_ical(clinic.get("/fhir/$calendar?patient=p1").text).walk("VTODO")
    assert str(todo["summary"]) == "Surveillance brain MRI is overdue"
    assert todo["due"].dt == dt.date(2026, 4, 14)


def test_the_same_calendar_is_the_same_bytes(clinic: Clinic) -> None:
    clinic.learns(treated("p1"))
    assert clinic.get("/fhir/$calendar").content == clinic.get("/fhir/$calendar").content


@pytest.mark.parametrize(
    "asked", ["from=2026-02", "to=soon", "from=2026-03-01&to=2026-02-01", "to=2028-01-01"]
)
def test_a_calendar_of_no_days_is_refused_with_the_reason(clinic: Clinic, asked: str) -> None:
    answer = clinic.get(f"/fhir/$calendar?{asked}")
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_calendar_of_somebody_unknown_is_not_found(clinic: Clinic) -> None:
    answer = clinic.get("/fhir/$calendar?patient=nobody")
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


def test_no_name_is_in_the_feed_of_a_sample_patient() -> None:
    bundle = json.loads((SAMPLES / "13-follow-up-overdue.json").read_text(encoding="utf-8"))
    (person,) = (e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    names = [part for name in person.get("name", []) for part in (name.get("family", ""), *name["given"])]
    decided = decide(decider(Settings()), record_in(bundle, "record"), dt.date(2026, 11, 23))
    made = [
        resource | {"meta": {"lastUpdated": "2026-11-23T00:00:00Z"}}
        for resource in decided.resources
        if resource["resourceType"] in ("ServiceRequest", "Task")
    ]
    text = feed(made, "https://worklist.example").decode()
    assert "BEGIN:VEVENT" in text
    assert not any(name in text for name in names if name)


def test_risk_and_work_up_are_withdrawn_when_they_no_longer_hold(clinic: Clinic) -> None:
    change = Fact(name="new_or_growing_enhancement", value=True, on=dt.date(2026, 1, 6))
    lesion = Subject(ref="BodyStructure/l", scope="lesion", facts=(change,))
    clinic.learns(treated("p1", subjects=(lesion,)))
    assert ("work-up", "requested") in task_kinds(clinic, "p1")
    over = Fact(name="are_status", value="excluded", on=dt.date(2026, 1, 6))
    closed = Subject(ref="BodyStructure/l", scope="lesion", facts=(change, over))
    clinic.learns(treated("p1", version=2, subjects=(closed,)))
    assert ("work-up", "cancelled") in task_kinds(clinic, "p1")
    assert [r["status"] for r in clinic.of("RiskAssessment", "p1")] == ["final"]
