"""The service as others meet it: `$assess` and CDS Hooks over HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from ici_steroid_alerts.app import service
from ici_steroid_alerts.cards import PREFETCH
from isodose.clinical.record import Exposure, PatientRecord
from isodose.events import contract
from isodose.service import Running, build_app
from isodose.settings import Settings
from isodose.storage.tables import outbox

TODAY = dt.date(2026, 11, 23)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENTS = Path(__file__).parents[2] / "samples" / "patients"


class Caller:
    """Calls one application in this process, without its threads."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.running: Running = app.state.running

    def __call__(self, method: str, path: str, content: Any = None, media: str = "json") -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://alerts") as client:
                body = None if content is None else json.dumps(content)
                return await client.request(
                    method, path, content=body, headers={"content-type": f"application/{media}"}
                )

        return asyncio.run(call())


@pytest.fixture
def call(new_sqlite: Callable[[], str], tmp_path: Path) -> Iterator[Caller]:
    settings = Settings(
        database_url=new_sqlite(),
        event_log_url=f"sqlite:///{tmp_path / 'log.db'}",
        demonstration_day=dt.date(2026, 11, 23),
    )
    app = build_app(service(settings), settings)
    yield Caller(app)
    app.state.running.database.dispose()
    app.state.running.log.close()


def parts(parameter: dict[str, Any]) -> dict[str, Any]:
    return {p["name"]: next(v for k, v in p.items() if k.startswith("value")) for p in parameter["part"]}


def test_assess_answers_with_findings_and_issues(call: Caller) -> None:
    bundle = json.loads((PATIENTS / "06-accessible-large-lesion.json").read_text(encoding="utf-8"))
    asked = {"resourceType": "Parameters", "parameter": [{"name": "record", "resource": bundle}]}
    response = call("POST", "/fhir/$assess", asked, "fhir+json")
    assert response.status_code == 200, response.text
    answered = response.json()["parameter"]
    findings = {f["code"]: f for f in (parts(p) for p in answered if p["name"] == "finding")}
    assert findings["DRUG-steroid-ici-alert"]["verdict"] == "met"
    assert findings["DRUG-tdm1-srs"]["missing"] == "antibody_drug_conjugate_agent"
    issues = [p["resource"] for p in answered if p["name"] == "resource"]
    assert {"DetectedIssue", "Provenance"} == {issue["resourceType"] for issue in issues}


def test_both_cds_services_are_listed(call: Caller) -> None:
    services = call("GET", "/cds-services").json()["services"]
    listed = {s["id"]: s["hook"] for s in services}
    assert listed == {"ici-steroid-select": "order-select", "ici-steroid-sign": "order-sign"}
    for one in services:
        assert one["prefetch"]["medicationDispenses"] == "MedicationDispense?patient={{context.patientId}}"


def signing(code: str, more: dict[str, Any]) -> dict[str, Any]:
    """A call at signing an order of one drug, with nothing else on record but `more` in prefetch."""
    draft = {
        "resourceType": "MedicationRequest",
        "id": "d",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code}]},
    }
    return {
        "hook": "order-sign",
        "hookInstance": "6bc883b2-b795-4dcb-b661-34884a31d472",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]},
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p"},
            **dict.fromkeys(set(PREFETCH) - {"patient"}),
            **more,
        },
    }


@pytest.mark.parametrize(("ago", "cards"), [(5, 1), (60, 0)])
def test_what_the_pharmacy_handed_over_counts_while_its_supply_lasts(
    call: Caller, ago: int, cards: int
) -> None:
    drug = {"coding": [{"system": RXNORM, "code": "312615"}]}
    dispense = {
        "resourceType": "MedicationDispense",
        "id": "d1",
        "status": "completed",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": drug,
        "whenHandedOver": (TODAY - dt.timedelta(days=ago)).isoformat(),
        "daysSupply": {"value": 30, "system": "http://unitsofmeasure.org", "code": "d"},
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 2, "unit": "tablet"}}],
            }
        ],
    }
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": dispense}]}
    asked = signing("1547545", {"medicationDispenses": bundle})
    answered = call("POST", "/cds-services/ici-steroid-sign", asked).json()["cards"]
    assert len(answered) == cards
    assert all("40 mg prednisone" in card["summary"] for card in answered)


def test_a_call_without_the_medication_list_is_refused_by_name(call: Caller) -> None:
    asked = {
        "hook": "order-sign",
        "hookInstance": "6bc883b2-b795-4dcb-b661-34884a31d472",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": []},
        },
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p"}},
    }
    response = call("POST", "/cds-services/ici-steroid-sign", asked)
    assert response.status_code == 412
    assert "medicationRequests" in response.text


def test_an_alert_is_raised_once_and_cancelled_when_the_facts_change(
    new_sqlite: Callable[[], str], tmp_path: Path
) -> None:
    log = f"sqlite:///{tmp_path / 'log.db'}"
    settings = Settings(database_url=new_sqlite(), event_log_url=log, demonstration_day=TODAY)
    running = build_app(service(settings), settings).state.running
    handle = service(settings).handlers["isodose.patient-record.v1"]

    def statuses(version: int, *exposures: Exposure) -> list[tuple[int, str]]:
        record = PatientRecord(patient_id="p", version=version, exposures=exposures)
        with running.transaction() as work:
            handle(work, [contract.record_changed(record)])
        with running.reading() as work:
            stored = [s for s in work.resources.results_of("p") if s.type == "DetectedIssue"]
        return [(s.version, json.loads(s.body)["status"]) for s in stored]

    ici = Exposure(
        ref="MedicationRequest/k", concept="nivolumab", drug_class="ici_pd1", status="active", start=TODAY
    )
    steroid = Exposure(
        ref="MedicationRequest/s",
        concept="prednisone",
        drug_class="corticosteroid",
        status="active",
        start=TODAY,
        daily_dose_mg=20,
        route="systemic",
    )
    assert statuses(1, ici, steroid) == [(1, "final")]
    assert statuses(1, ici, steroid) == [(1, "final")], "a redelivery changes nothing"
    assert statuses(2, ici, steroid) == [(1, "final")], "the same facts make no new version"
    assert statuses(3, ici) == [(2, "cancelled")]
    assert statuses(4, ici, steroid) == [(3, "final")], "raised again with its history"
    running.database.dispose()
    running.log.close()


def hook(drafts: list[dict[str, Any]], known: list[dict[str, Any]]) -> dict[str, Any]:
    def bundle(kind: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "resourceType": "Bundle",
            "type": kind,
            "entry": [{"resource": resource} for resource in resources],
        }

    return {
        "hook": "order-sign",
        "hookInstance": "6bc883b2-b795-4dcb-b661-34884a31d472",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p",
            "draftOrders": bundle("collection", drafts),
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p"},
            "medicationRequests": bundle("searchset", known),
        },
    }


def order(identity: str | None, code: str, mg: float | None, status: str) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}]
        },
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-11-20",
    }
    if identity:
        resource["id"] = identity
    if mg:
        resource["dosageInstruction"] = [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": mg,
                            "unit": "mg",
                            "system": "http://unitsofmeasure.org",
                            "code": "mg",
                        }
                    }
                ],
            }
        ]
    return resource


def handle_feedback(call: Caller, card: str, outcome: str = "overridden") -> None:
    """The feedback as the consumer would hand it on."""
    told = {
        "card": card,
        "outcome": outcome,
        "outcomeTimestamp": "2026-11-23T12:00:00+00:00",
        "service": "ici-steroid-sign",
    }
    running = call.running
    with running.transaction() as work:
        running.service.handlers["isodose.card-feedback.v1"](work, [contract.card_feedback("a", told)])


def test_an_overridden_card_is_not_shown_again_until_it_is_worse(call: Caller) -> None:
    known = [order("k", "1547545", None, "active")]
    path = "/cds-services/ici-steroid-sign"

    def cards(mg: float, identity: str | None = None) -> list[dict[str, Any]]:
        answer = call("POST", path, hook([order(identity, "8640", mg, "draft")], known))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["cards"]
        return found

    (card,) = cards(20)
    assert card["indicator"] == "critical"
    handle_feedback(call, card["uuid"], "acknowledged")
    assert len(cards(20)) == 1, "who acknowledged it did not decide for whoever signs next"
    handle_feedback(call, card["uuid"])
    assert cards(20) == []
    assert cards(30, "another-order") == [], "one alert per drug pair and reason, never one per order"
    (worse,) = cards(40)
    assert worse["uuid"] != card["uuid"]


def test_an_alert_is_answered_from_the_worklist(call: Caller) -> None:
    exposures = (
        Exposure(ref="MedicationRequest/k", concept="nivolumab", drug_class="ici_pd1", status="active"),
        Exposure(
            ref="MedicationRequest/s",
            concept="prednisone",
            drug_class="corticosteroid",
            status="active",
            start=TODAY,
            daily_dose_mg=20,
        ),
    )
    record = PatientRecord(patient_id="p", version=1, exposures=exposures)
    with call.running.transaction() as work:
        call.running.service.handlers["isodose.patient-record.v1"](work, [contract.record_changed(record)])
    (entry,) = call("GET", "/fhir/DetectedIssue?patient=p").json()["entry"]
    path = f"/fhir/DetectedIssue/{entry['resource']['id']}/$answer"
    told: dict[str, Any] = {
        "resourceType": "Parameters",
        "parameter": [{"name": "outcome", "valueCode": "overridden"}],
    }
    refused = call("POST", path, told, "fhir+json")
    assert (refused.status_code, refused.json()["resourceType"]) == (400, "OperationOutcome")
    told["parameter"].append({"name": "reason", "valueCoding": {"code": "x", "display": "Palliative"}})
    answered = call("POST", path, told, "fhir+json")
    assert answered.status_code == 200, answered.text
    assert "Overridden (worklist): Palliative" in answered.text
    with call.running.reading() as work:
        told = work.conn.execute(select(outbox.c.topic)).scalars().all()
    assert "isodose.card-feedback.v1" in told, "who rebuilds from the topic finds the answer there"
    report = call("GET", "/fhir/$override-report")
    assert report.status_code == 200, report.text
    assert report.json()["parameter"][0]["part"][0]["valueCode"] == "DRUG-steroid-ici-alert"
