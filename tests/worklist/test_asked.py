"""What a page asks of the other services: no more than it shows, over connections that stay open."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from isodose.service import build_app
from isodose.settings import Settings
from served import free_port, listening, served
from worklist.app import service
from worklist.said import Assessment, read

TRACE = "00-{}-00f067aa0ba902b7-01"


def _told(platform: httpx.Client, service: str, patient: str, **asked: Any) -> Assessment:
    subject = {"name": "subject", "valueReference": {"reference": f"Patient/{patient}"}}
    more = [{"name": name} | value for name, value in asked.items()]
    body = {"resourceType": "Parameters", "parameter": [subject, *more]}
    answer = platform.post(f"/{service}/fhir/$assess", json=body)
    assert answer.status_code == 200, answer.text
    told = read(answer.json())
    assert told is not None
    return told


@pytest.mark.parametrize("patient", ["demo-05", "demo-11", "demo-13"])
def test_the_findings_that_an_answer_names_are_all_that_a_page_shows(
    platform: httpx.Client, patient: str
) -> None:
    explain = {"valueBoolean": True}
    for name in ("eligibility", "alerts"):
        every = _told(platform, name, patient, explain=explain)
        named = _told(platform, name, patient, explain=explain, show={"valueCode": "named"})
        assert named.options == every.options
        questions = every.statements.questions()
        assert named.statements.questions() == questions
        for question in questions:
            for _, codes in question.sides:
                for code in codes:
                    argument = every.statements.about(code, question.applies_to)
                    assert named.statements.about(code, question.applies_to) == argument
        for issue in every.of_type("DetectedIssue"):
            for evidence in issue["evidence"]:
                for coding in evidence.get("code", [{}])[0].get("coding", []):
                    assert named.statements.of(coding["code"]) == every.statements.of(coding["code"])


def test_stored_plans_say_what_would_be_decided(platform: httpx.Client) -> None:
    kinds = ("CarePlan", "ServiceRequest", "Task", "RiskAssessment")
    for patient in ("demo-05", "demo-11", "demo-13"):
        stored = _told(platform, "surveillance", patient, show={"valueCode": "resources"})
        decided = _told(platform, "surveillance", patient)
        for kind in kinds:
            listed = stored.of_type(kind)
            assert all(one.pop("meta", None) for one in listed)
            assert listed == decided.of_type(kind)


class _Counted:
    """A service that knows nothing, and from where and with which trace it was asked."""

    def __init__(self) -> None:
        self.ports: set[int] = set()
        self.traces: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.ports.add(scope["client"][1])
        self.traces.append(dict(scope["headers"])[b"traceparent"].decode().split("-")[1])
        while (await receive()).get("more_body"):
            continue
        headers = [(b"content-length", b"2"), (b"set-cookie", b"who=somebody")]
        assert b"cookie" not in dict(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


def test_connections_stay_open_from_page_to_page_and_carry_the_trace_of_each(new_sqlite: Any) -> None:
    others, port = _Counted(), free_port()
    with listening(others, port) as where:
        names = ("ehr_ingestion", "eligibility_scoring", "are_surveillance", "ici_steroid_alerts")
        urls: dict[str, Any] = {f"{name}_url": where for name in names}
        settings = Settings(database_url=new_sqlite(), event_log_url=new_sqlite(), **urls)
        with served(build_app(service(settings), settings)) as client:
            for n in (1, 2, 3):
                trace = {"traceparent": TRACE.format(f"{n}" * 32)}
                assert client.get("/worklist/Patient/p1", headers=trace).status_code == 200
    assert [others.traces.count(f"{n}" * 32) for n in (1, 2, 3)] == [5, 5, 5]
    assert len(others.ports) <= 5
