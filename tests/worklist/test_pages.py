"""What the pages show, and what they say when a service is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from isodose.service import build_app
from isodose.settings import Settings
from worklist import pages
from worklist.app import service
from worklist.reading import Row

Json = dict[str, Any]
EHR, OPTIONS, PLANS, ALERTS = 8001, 8002, 8003, 8004
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"given": ["Ada"], "family": "O'Neil <b>"}]}
GROUP = {
    "resourceType": "RequestGroup",
    "status": "active",
    "subject": {"reference": "Patient/p1"},
    "action": [
        {"prefix": "leading", "title": "Stereotactic radiosurgery"},
        {"title": "Whole-brain radiotherapy"},
    ],
}
ISSUES = [
    {"resourceType": "DetectedIssue", "status": status, "severity": severity, "code": {"text": text}}
    | {"patient": {"reference": f"Patient/{patient}"}}
    for status, severity, text, patient in (
        ("final", "low", "minor matter", "p1"),
        ("final", "high", "grave matter", "p1"),
        ("cancelled", "high", "settled matter", "p1"),
        ("final", "high", "matter of another", "p2"),
    )
]
SCANS = [
    {"resourceType": "ServiceRequest", "status": "active", "subject": {"reference": "Patient/p1"}}
    | {"occurrencePeriod": {"start": start, "end": end}}
    for start, end in (("2027-03-01", "2027-03-29"), ("2026-12-01", "2026-12-29"))
]
STORED: dict[int, list[Json]] = {EHR: [PATIENT], OPTIONS: [GROUP], PLANS: SCANS, ALERTS: ISSUES}


def _bundle(request: httpx.Request) -> httpx.Response:
    kind = request.url.path.rpartition("/")[2]
    asked = request.url.params.get("_id")
    found = [
        r for r in STORED[request.url.port or 0] if r["resourceType"] == kind and asked in (None, r.get("id"))
    ]
    return httpx.Response(200, json={"resourceType": "Bundle", "entry": [{"resource": r} for r in found]})


def _without(port: int) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.port == port:
            raise httpx.ConnectError("away")
        return _bundle(request)

    return answer


def _get(path: str, answer: Callable[[httpx.Request], httpx.Response] = _bundle) -> httpx.Response:
    settings = Settings()
    app: FastAPI = build_app(service(settings, httpx.MockTransport(answer)), settings)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://worklist"
        ) as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_each_patient_is_shown_with_leading_option_next_scan_and_open_alerts() -> None:
    page = _get("/worklist").text
    assert "Ada O&#x27;Neil &lt;b&gt;" in page
    assert "Stereotactic radiosurgery" in page
    assert "Whole-brain" not in page
    assert "2026-12-01 to 2026-12-29" in page
    assert page.index("grave matter") < page.index("minor matter")
    assert "settled matter" not in page
    assert "matter of another" not in page


def test_a_patients_page_shows_every_option_and_window() -> None:
    page = _get("/worklist/Patient/p1").text
    for text in ("Stereotactic radiosurgery", "Whole-brain radiotherapy", "2027-03-01", "grave matter"):
        assert text in page


@pytest.mark.parametrize("port", [OPTIONS, PLANS, ALERTS])
@pytest.mark.parametrize("path", ["/worklist", "/worklist/Patient/p1"])
def test_a_service_that_is_away_never_looks_like_nothing_found(port: int, path: str) -> None:
    answer = _get(path, _without(port))
    assert answer.status_code == 200
    assert "not available now" in answer.text
    assert "not available now" not in _get(path).text


def test_without_patients_to_read_there_is_no_page() -> None:
    assert _get("/worklist", _without(EHR)).status_code == 503


def test_a_patient_that_is_not_there_is_not_found() -> None:
    assert _get("/worklist/Patient/nobody").status_code == 404


def test_pages_are_not_kept_and_run_no_scripts() -> None:
    headers = _get("/worklist").headers
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_an_answered_alert_is_counted_apart_and_shown_with_its_answer() -> None:
    state = {"url": "https://isodose.example/fhir/StructureDefinition/alert-state", "valueCode": "answered"}
    answered: Json = {"extension": [state]}
    assert pages.is_answered(answered)
    assert not pages.is_answered({})
    overridden = answered | {
        "code": {"text": "Steroid with a checkpoint inhibitor"},
        "mitigation": [
            {"action": {"text": "Proposed: taper"}},
            {"action": {"text": "Overridden: <palliative>"}, "date": "2026-11-23"},
        ],
    }
    row = Row("p", "Ada", "", options=[], scans=[], tasks=[], alerts=[overridden])
    assert "1 answered" in pages.worklist_page([row], "")
    page = pages.patient_page(row, "")
    assert "Overridden: &lt;palliative&gt;" in page
    assert "Proposed: taper" not in page
