"""The services before which the worklist stands, spoken for by a test: what they hold, answer and tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from isodose.clinical.record import PatientRecord
from isodose.events.contract import Event, record_changed
from isodose.events.contract import guidance as guidance_event

Json = dict[str, Any]
EHR, OPTIONS, PLANS, ALERTS = 8001, 8002, 8003, 8004
DECIDING = {OPTIONS: "eligibility_scoring", PLANS: "are_surveillance", ALERTS: "ici_steroid_alerts"}
BASE = "https://isodose.example/fhir"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


def reference(patient: str) -> Json:
    return {"reference": f"Patient/{patient}"}


def patient(key: str, family: str = "O'Neil") -> Json:
    return {"resourceType": "Patient", "id": key, "name": [{"given": ["Ada"], "family": family}]}


def issue(key: str, severity: str, text: str, **more: Any) -> Json:
    made = {
        "resourceType": "DetectedIssue",
        "id": f"i-{key}-{severity}",
        "status": "final",
        "severity": severity,
    }
    return made | {"code": {"text": text}, "patient": reference(key)} | more


def task(key: str, kind: str, text: str = "") -> Json:
    state = {"coding": [{"system": f"{BASE}/CodeSystem/task-kind", "code": kind}], "text": kind}
    made = {"resourceType": "Task", "id": f"t-{key}-{kind}", "status": "requested", "businessStatus": state}
    return made | {"code": state, "description": text, "for": reference(key)}


def group(key: str, *titles: str) -> Json:
    actions = [
        {
            "title": t,
            "code": [{"coding": [{"code": t.lower().replace(" ", "-")}], "text": t}, {"text": "standard"}],
        }
        for t in titles
    ]
    actions[0]["prefix"] = "leading"
    return {"resourceType": "RequestGroup", "status": "active", "subject": reference(key), "action": actions}


def guidance(key: str, *wanted: str, status: str = "success") -> Json:
    codes = [{"codeFilter": [{"code": [{"code": w, "display": w}]}]} for w in wanted]
    made = {"resourceType": "GuidanceResponse", "status": status, "subject": reference(key)}
    return made | {"dataRequirement": codes, "note": [{"text": "No option leads yet. Enter first: that."}]}


def scan(key: str, start: str, end: str) -> Json:
    made = {"resourceType": "ServiceRequest", "status": "draft", "subject": reference(key), "id": f"s-{key}"}
    return made | {"occurrencePeriod": {"start": start, "end": end}}


class Services:
    """The four services, answering the searches that the worklist makes; counts what it is asked."""

    def __init__(self, resources: dict[int, list[Json]], assessed: dict[int, Json] | None = None) -> None:
        self.resources = resources
        self.assessed = assessed or {}
        self.asked: Counter[str] = Counter()
        self.away: set[int] = set()
        self.refused: set[int] = set()
        self.silent: set[int] = set()
        self.merged: set[str] = set()
        self.version = 1

    def records(self) -> list[Event]:
        """The events that say of each patient that there is a record."""
        return [
            record_changed(PatientRecord(patient_id=one["id"], version=self.version))
            for one in self._patients()
        ]

    def conclusions(self) -> list[Event]:
        """The events by which each service tells what it concluded on each patient."""
        return [
            guidance_event(
                f"isodose.{service}.told",
                service,
                {
                    "patientId": one["id"],
                    "service": service,
                    "recordVersion": self.version,
                    "knowledgeVersion": "1",
                    "on": "2026-11-23",
                    "resources": [r for r in self.resources.get(port, []) if _holder(r) == one["id"]],
                },
                one["id"],
            )
            for one in self._patients()
            for port, service in DECIDING.items()
            if port not in self.silent
        ]

    def _patients(self) -> list[Json]:
        return [one for one in self.resources[EHR] if one["resourceType"] == "Patient"]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or 0
        self.asked[f"{port}{request.url.path}"] += 1
        if port in self.away:
            raise httpx.ConnectError("away")
        if port in self.refused:
            return httpx.Response(403)
        path = request.url.path.removeprefix("/fhir/")
        if path == "$assess" and any(f"Patient/{one}".encode() in request.content for one in self.merged):
            return httpx.Response(422, json={"resourceType": "OperationOutcome", "issue": []})
        if path == "$assess":
            return httpx.Response(200, json=self.assessed.get(port, {"resourceType": "Parameters"}))
        if path.endswith("$everything"):
            return self._everything(path.split("/")[1])
        if not request.url.params.get("_cursor", "0").isdigit():
            return httpx.Response(400, json={"resourceType": "OperationOutcome", "issue": []})
        return httpx.Response(200, json=self._search(port, path, request.url.params))

    def _everything(self, key: str) -> httpx.Response:
        known = [r for r in self.resources[EHR] if r["id"] == key or _holder(r) == key]
        entries = [{"resource": r} for r in known]
        return httpx.Response(200 if known else 404, json={"resourceType": "Bundle", "entry": entries})

    def _search(self, port: int, kind: str, query: httpx.QueryParams) -> Json:
        found = [r for r in self.resources.get(port, []) if r["resourceType"] == kind and _fits(r, query)]
        start, count = int(query.get("_cursor") or 0), int(query.get("_count") or 100)
        page: Json = {"resourceType": "Bundle", "total": len(found), "link": []}
        if start + count < len(found):
            page["link"] = [
                {"relation": "next", "url": f"http://evil.example/{kind}?_cursor={start + count}"}
            ]
        return page | {"entry": [{"resource": r} for r in found[start : start + count]]}


def _holder(resource: Json) -> str:
    holder = resource.get("subject") or resource.get("patient") or resource.get("for") or {}
    return str(holder.get("reference", "")).removeprefix("Patient/")


def _fits(resource: Json, query: httpx.QueryParams) -> bool:
    tests: dict[str, Callable[[Json], list[str]]] = {
        "_id": lambda r: [r["id"]],
        "patient": lambda r: [_holder(r), f"Patient/{_holder(r)}"],
    }
    return all(
        not set(value.split(",")).isdisjoint(tests[name](resource))
        for name, value in query.items()
        if name in tests
    )
