"""The life of an alert: raised, answered, quiet, open again when worse, resolved, raised once more."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.basic import Basic
from fhir.resources.R4B.detectedissue import DetectedIssue

from ici_steroid_alerts.app import service
from ici_steroid_alerts.names import CardName, name_in
from ici_steroid_alerts.override_report import report
from isodose.assessment.explanation import explain
from isodose.clinical.record import Exposure, PatientRecord
from isodose.events import contract
from isodose.fhir.validation import validate
from isodose.service import Running, build_app
from isodose.settings import Settings

TODAY = dt.date(2026, 11, 23)
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
REASON = {
    "system": "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes",
    "code": "risk-benefit-ratio",
    "display": "Risk outweighs benefit",
}
NIVOLUMAB = Exposure(
    ref="MedicationRequest/k", concept="nivolumab", drug_class="ici_pd1", status="active", start=TODAY
)
PEMBROLIZUMAB = Exposure(
    ref="MedicationRequest/p", concept="pembrolizumab", drug_class="ici_pd1", status="active", start=TODAY
)


def prednisone(mg: float, ref: str = "MedicationRequest/s") -> Exposure:
    return Exposure(
        ref=ref,
        concept="prednisone",
        drug_class="corticosteroid",
        status="active",
        start=TODAY,
        daily_dose_mg=mg,
        route="systemic",
    )


class Patient:
    """One patient in a running alerts service: records and answers go in, the alert comes out."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.version = 0
        self.handlers = running.service.handlers

    def takes(self, *exposures: Exposure) -> dict[str, Any]:
        self.version += 1
        record = PatientRecord(patient_id="p", version=self.version, exposures=exposures)
        with self.running.transaction() as work:
            self.handlers["isodose.patient-record.v1"](work, [contract.record_changed(record)])
        return self.alert()

    def alert(self) -> dict[str, Any]:
        with self.running.reading() as work:
            kept = [s for s in work.resources.results_of("p") if s.type == "DetectedIssue"]
        (issue,) = [s.resource() for s in kept]
        validate(issue)
        DetectedIssue.model_validate(issue)
        return issue

    def is_answered(self, at: dt.datetime = NOON, times: int = 1, **more: Any) -> dict[str, Any]:
        told = {
            "card": card(self.alert()),
            "outcome": "overridden",
            "outcomeTimestamp": at.isoformat(),
            "service": "ici-steroid-sign",
            "overrideReason": {"reason": REASON},
        } | more
        for _ in range(times):
            with self.running.transaction() as work:
                self.handlers["isodose.card-feedback.v1"](work, [contract.card_feedback("a", told)])
        return self.alert()

    def basics(self) -> list[dict[str, Any]]:
        with self.running.reading() as work:
            rows = work.resources.get_many([("Basic", f"alert-{name.thread}") for name in self.names()])
        return [stored.resource() for stored in rows.values()]

    def names(self) -> list[CardName]:
        name = name_in(card(self.alert()))
        return [name] if name else []


def card(issue: dict[str, Any]) -> str:
    return next(i["value"] for i in issue["identifier"] if i["system"].endswith("/alert-card"))


def state(issue: dict[str, Any]) -> str | None:
    found = (e for e in issue.get("extension", []) if e["url"].endswith("/alert-state"))
    return next((e["valueCode"] for e in found), None)


def answers(issue: dict[str, Any]) -> list[str]:
    return [m["action"]["text"] for m in issue.get("mitigation", []) if "date" in m]


@pytest.fixture
def patient(new_sqlite: Callable[[], str], tmp_path: Path) -> Iterator[Patient]:
    settings = Settings(
        database_url=new_sqlite(), event_log_url=f"sqlite:///{tmp_path / 'log.db'}", demonstration_day=TODAY
    )
    running = build_app(service(settings), settings).state.running
    yield Patient(running)
    running.database.dispose()
    running.log.close()


def test_an_alert_says_since_when_it_stands(patient: Patient) -> None:
    issue = patient.takes(NIVOLUMAB, prednisone(20))
    assert (issue["status"], issue["identifiedDateTime"], state(issue)) == ("final", "2026-11-23", None)


def test_an_override_is_kept_with_its_reason_and_is_quiet(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    issue = patient.is_answered()
    assert answers(issue) == ["Overridden (ici-steroid-sign): Risk outweighs benefit"]
    assert issue["mitigation"][-1]["action"]["coding"] == [REASON]
    assert (issue["status"], state(issue)) == ("final", "answered")
    (basic,) = patient.basics()
    validate(basic)
    Basic.model_validate(basic)
    assert "p/" not in json.dumps(basic), "the patient is not named"


def test_an_override_told_twice_is_one(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    issue = patient.is_answered(times=3)
    assert len(answers(issue)) == 1
    assert issue["meta"]["versionId"] == "2"


def test_more_of_the_same_and_less_stay_quiet(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    patient.is_answered()
    for mg in (24, 39, 12, 20):
        assert state(patient.takes(NIVOLUMAB, prednisone(mg))) == "answered"
    two = patient.takes(NIVOLUMAB, prednisone(10), prednisone(10, "MedicationRequest/s2"))
    assert state(two) == "answered", "one alert per pair and reason, never one per order"


@pytest.mark.parametrize(
    "worse", [(NIVOLUMAB, prednisone(40)), (NIVOLUMAB, prednisone(480)), (PEMBROLIZUMAB, prednisone(20))]
)
def test_what_is_materially_worse_is_open_again_as_amended(
    patient: Patient, worse: tuple[Exposure, ...]
) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    patient.is_answered()
    issue = patient.takes(*worse)
    assert (issue["status"], state(issue), len(answers(issue))) == ("amended", "open", 1)
    again = patient.is_answered(at=NOON + dt.timedelta(hours=1))
    assert (again["status"], state(again), len(answers(again))) == ("final", "answered", 2)


def test_resolved_and_raised_again_with_its_history(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    patient.is_answered(at=NOON - dt.timedelta(days=9))
    assert patient.takes(NIVOLUMAB)["status"] == "cancelled"
    issue = patient.takes(NIVOLUMAB, prednisone(20))
    assert (issue["status"], state(issue)) == ("final", "open"), "an answer of an earlier time does not count"
    assert len(answers(issue)) == 1


def test_an_accepted_suggestion_is_history_and_silences_nothing(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    issue = patient.is_answered(outcome="accepted", acceptedSuggestions=[{"id": "x"}], overrideReason=None)
    assert answers(issue) == ["Suggestion accepted (ici-steroid-sign)"]
    assert state(issue) == "open"


@pytest.mark.parametrize(
    "more",
    [
        {"service": "srs-eligibility"},
        {"card": "6bc883b2-b795-4dcb-b661-34884a31d472"},
        {"card": "not a uuid"},
        {"card": str(CardName(1, 2, 3, 4).uuid)},
    ],
)
def test_feedback_that_is_not_about_an_alert_passes(patient: Patient, more: dict[str, Any]) -> None:
    before = patient.takes(NIVOLUMAB, prednisone(20))
    assert patient.is_answered(**more) == before


def test_an_answer_before_the_order_is_on_record_counts_when_it_arrives(patient: Patient) -> None:
    told = card(patient.takes(NIVOLUMAB, prednisone(20)))
    patient.takes(NIVOLUMAB)
    with patient.running.transaction() as work:
        event = contract.card_feedback(
            "a",
            {
                "card": told,
                "outcome": "overridden",
                "outcomeTimestamp": NOON.isoformat(),
                "service": "ici-steroid-sign",
            },
        )
        patient.handlers["isodose.card-feedback.v1"](work, [event])
    assert state(patient.takes(NIVOLUMAB, prednisone(20))) == "answered"


def test_a_name_tells_what_was_put_into_it() -> None:
    name = CardName(rule=0xDEADBEEF, drugs=0xABCDEF, level=11, pair=(1 << 62) - 1)
    assert name_in(str(name.uuid)) == name
    assert name.uuid.version == 8


def test_the_report_counts_reasons_by_rule_and_finds_the_noisy_one(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    for hour in range(10):
        patient.is_answered(at=NOON + dt.timedelta(hours=hour))
    (operation,) = [o for o in patient.running.service.operations if o.name == "$override-report"]
    with patient.running.reading() as work:
        answered: Any = operation.handle(work, None)  # type: ignore[arg-type]
    validate(answered)
    (rule,) = answered["parameter"]
    told = {p["name"]: p for p in rule["part"]}
    assert told["code"]["valueCode"] == "DRUG-steroid-ici-alert"
    assert told["overridden"]["valueInteger"] == 10
    assert told["noisy"]["valueBoolean"] is True
    assert told["override"]["part"][0] == {"name": "reason", "valueCode": "risk-benefit-ratio"}
    assert told["override"]["part"][2] == {"name": "count", "valueInteger": 10}


def test_an_empty_report_is_a_valid_resource() -> None:
    assert report([]) == {"resourceType": "Parameters"}


def test_a_crash_before_the_commit_and_a_redelivery_raise_one_alert(patient: Patient) -> None:
    record = PatientRecord(patient_id="p", version=1, exposures=(NIVOLUMAB, prednisone(20)))
    event = contract.record_changed(record)
    handle = patient.handlers["isodose.patient-record.v1"]

    def breaks_down() -> None:
        with patient.running.transaction() as work:
            handle(work, [event])
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        breaks_down()
    for _ in range(2):
        with patient.running.transaction() as work:
            handle(work, [event])
    assert patient.alert()["meta"]["versionId"] == "1"
    with patient.running.reading() as work:
        assert len(work.resources.history("DetectedIssue", patient.alert()["id"])) == 1


def test_the_extensions_in_use_are_those_that_are_published(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    used = {e["url"] for e in patient.is_answered()["extension"]}
    used |= {e["url"] for basic in patient.basics() for e in basic["extension"]}
    defined = [d for d in patient.running.service.definitions if d["resourceType"] == "StructureDefinition"]
    assert used == {d["url"] for d in defined}
    for definition in patient.running.service.definitions:
        validate(definition)
        assert definition["url"].startswith("https://isodose.example/fhir/")


def test_each_version_of_an_alert_is_made_again_with_what_was_answered_by_then(patient: Patient) -> None:
    patient.takes(NIVOLUMAB, prednisone(20))
    patient.is_answered()
    last = patient.takes(NIVOLUMAB, prednisone(60))
    decider = patient.running.service.decider
    assert decider is not None
    with patient.running.reading() as work:
        versions = range(1, int(last["meta"]["versionId"]) + 1)
        told = [explain(work, decider, "DetectedIssue", last["id"], str(version)) for version in versions]
    assert len(told) == 3
    assert [one.outcome for one in told if one is not None] == ["same"] * 3
