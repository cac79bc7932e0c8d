"""An EHR that results are written to, played by a FHIR server of our own, and the results of a patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from ehr_ingestion.write_back import ledger
from isodose.events import contract, jobs
from isodose.storage.database import Database
from served import Network

Json = dict[str, Any]
EHR = "https://ehr.example/fhir"
BASE = "https://isodose.example/fhir"
TYPES = ("CarePlan", "ServiceRequest", "Task", "DetectedIssue", "RequestGroup")
MRN = [{"system": "urn:mrn", "value": "77"}]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "identifier": MRN}


class Ehr(Network):
    """A FHIR server in this process; `answers` come first for writes, `sent` keeps what was written. So many
    writes are `unanswered`, although they are done. A search may find everything (`lists_all`).
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.answers: list[httpx.Response] = []
        self.sent: list[str] = []
        self.refuses, self.refusal = "", 422
        self.deletions: list[httpx.Response] = []
        self.before_answering: Callable[[], object] = lambda: None
        self.unanswered = 0
        self.lists_all = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if self.unanswered and request.method in ("POST", "PUT"):
            self.unanswered -= 1
            raise httpx.ReadError("the answer is lost")
        return answer

    def instead(self, request: httpx.Request) -> httpx.Response | None:
        if request.method == "DELETE":
            return self.deletions.pop(0) if self.deletions else None
        if request.method == "GET" and self.lists_all:
            return httpx.Response(200, content=self.client.get(request.url.path).content)
        if request.method not in ("POST", "PUT"):
            return None
        then, self.before_answering = self.before_answering, lambda: None
        then()
        kind = request.url.path.removeprefix("/fhir/").partition("/")[0]
        self.sent.append(f"{request.method} {kind}")
        if self.refuses and self.sent[-1].endswith(self.refuses):
            return httpx.Response(self.refusal, json={"resourceType": "OperationOutcome"})
        return self.answers.pop(0) if self.answers else None

    def holds(self, kind: str) -> list[Json]:
        answer = self.client.get(f"/fhir/{kind}?_sort=_id").json()
        return [entry["resource"] for entry in answer.get("entry", [])]


def result(kind: str, key: str, **more: Any) -> Json:
    identifier = [{"system": f"{BASE}/NamingSystem/result", "value": key}]
    subject = {"Task": "for", "DetectedIssue": "patient"}.get(kind, "subject")
    intent = {} if kind in ("DetectedIssue", "RiskAssessment") else {"intent": "proposal"}
    made = {"resourceType": kind, "id": key, "identifier": identifier, "status": "active", **intent}
    return made | {subject: {"reference": "Patient/p1"}} | more


def results(**issue: Any) -> list[Json]:
    """A plan with an order and a task that point to each other, options, an alert, and what is not
    written.
    """
    return [
        result(
            "CarePlan",
            "plan",
            activity=[{"reference": {"reference": "ServiceRequest/mri"}}],
            supportingInfo=[{"reference": "RiskAssessment/risk"}, {"reference": "Procedure/course"}],
        ),
        result("ServiceRequest", "mri", status="draft", basedOn=[{"reference": "CarePlan/plan"}]),
        result("Task", "book", status="requested", focus={"reference": "ServiceRequest/mri"}),
        result("RiskAssessment", "risk", status="final"),
        result(
            "RequestGroup",
            "options",
            action=[
                {"title": "SRS", "resource": {"reference": f"{BASE}/ActivityDefinition/srs", "display": "x"}}
            ],
        ),
        result("DetectedIssue", "alert", **({"status": "final", "detail": "as it was"} | issue)),
    ]


def decided(version: int, resources: list[Json]) -> contract.Event:
    data = {
        "patientId": "p1",
        "service": "are_surveillance",
        "recordVersion": version,
        "knowledgeVersion": "k",
        "on": "2026-11-23",
        "findings": [],
        "options": [],
        "resources": resources,
    }
    return contract.guidance("isodose.surveillance.planned", "are_surveillance", data, "p1")


def settled(database: Database) -> bool:
    with database.read() as conn:
        return jobs.standing(conn, ["write-back"])["write-back"].waiting == 0


def entry(database: Database, kind: str, id: str) -> ledger.Entry:
    with database.read() as conn:
        found = ledger.get(conn, kind, id)
    assert found is not None
    return found
