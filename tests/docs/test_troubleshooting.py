"""Each message that the integration guide explains is one that is said, word for word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import served
from ehr_ingestion.app import service
from isodose.service import build_app
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
ROW = re.compile(r'^\| (\d{3}) "([^"]+)"', re.MULTILINE)
BY_MESSAGE = ROW.findall(GUIDE.partition("## Troubleshooting by message")[2])
EVERYWHERE = ROW.findall(GUIDE)
JSON = {"content-type": "application/fhir+json"}
Json = dict[str, Any]


def words_of_the_code() -> str:
    """Every text in the code, the parts of one that is put together in their order."""
    said = []
    for folder in ("libs", "services"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    said.append(node.value)
    return "\n".join(said)


def test_every_message_of_the_guide_is_in_the_code() -> None:
    code = words_of_the_code()
    parts = [part for _, message in EVERYWHERE for part in parts_of(message)]
    assert len(EVERYWHERE) > 35
    assert [part for part in parts if part not in code] == []


def parts_of(message: str) -> list[str]:
    """The words of a message around what differs each time."""
    return [part.strip() for part in message.split("...") if part.strip()]


def patient(id: str = "p1", **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id, **more}


def about(whom: str, **more: Any) -> Json:
    made = {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}}
    return made | {"subject": {"reference": whom}} | more


def transaction(*resources: Json) -> Json:
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"Patient/{r['id']}"}} for r in resources]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def subscription(**channel: Any) -> Json:
    told = {"type": "rest-hook", "endpoint": "https://hooks.example/told", **channel}
    made = {"resourceType": "Subscription", "id": "s1", "status": "requested", "reason": "x"}
    return made | {"criteria": "DetectedIssue?severity=high", "channel": told}


def deleting(path: str) -> Json:
    parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": path}]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


Ask = tuple[str, str, Any, dict[str, str]]
FACT = {"coding": [{"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}]}
UNASKED = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": patient()}]}
STEPS = [{"op": "remove", "path": "/photo"}]
TWICE = '{"resourceType":"Patient","id":"a","id":"b"}'


def get(path: str, **headers: str) -> Ask:
    return "GET", path, None, headers


def put(path: str, body: Any, **headers: str) -> Ask:
    return "PUT", path, body, JSON | {name.replace("_", "-"): value for name, value in headers.items()}


def post(path: str, body: Any, kind: str = "application/fhir+json") -> Ask:
    return "POST", path, body, {"content-type": kind}


def patch(body: Any, kind: str = "application/fhir+json") -> Ask:
    return "PATCH", "/Patient/p1", body, {"content-type": kind}


ASKED: dict[str, Ask] = {
    "Only JSON of FHIR 4.0 is given": get("/Patient/p1", accept="application/fhir+xml"),
    "Only JSON of FHIR 4.0 in UTF-8 is taken": post("/Patient", "<Patient/>", "text/xml"),
    "A search by POST is a form": post("/Patient/_search", {}),
    "split it": post("/Patient", patient(name=[{"text": "x" * 70_000}])),
    "The body is not valid JSON": post("/Patient", '{"resourceType":'),
    "A JSON object holds the same name twice": post("/Patient", TWICE),
    "Only Bundles of type transaction or batch are processed": post("", UNASKED | {"type": "collection"}),
    "Every entry needs a request": post("", UNASKED),
    "Two entries write the same resource": post("", transaction(patient(), patient())),
    "R4 has no resource type of this name": get("/Shoe"),
    "The code is not in the required value set": put("/Patient/p1", patient(gender="f")),
    "is not a date that exists": put("/Patient/p1", patient(birthDate="2026-02-30")),
    "is neither stored nor in the same bundle": put("/Observation/o1", about("Patient/none")),
    "The reference must point to one of": put("/Observation/o1", about("Practitioner/p1")),
    "This states no fact": put("/Observation/o1", about("Patient/p1", code=FACT, valueString="eighty")),
    "The condition fits more than one": put("/Patient?gender=female", patient("p3")),
    "The resource is not in the version that If-Match names": put(
        "/Patient/p1", patient(), if_match='W/"77"'
    ),
    "Step ... of the patch cannot be done": patch(STEPS, "application/json-patch+json"),
    "The path is not one that a patch can follow": patch(deleting("Patient.name[")),
    "The path has to select one element": patch(deleting("Patient.name")),
    "is not known for": get("/Patient?shoe-size=42", prefer="handling=strict"),
    "The modifier ... is not supported": get("/Patient?birthdate:above=1961"),
    "No ... of this address is stored here": get("/Observation?code:in=http://x.example/none"),
    "This is not a link to a page that was given here": get("/Patient?_cursor=abc"),
    "was deleted": get("/Patient/gone"),
    "Nobody is told at this address": put("/Subscription/s1", subscription(endpoint="https://x.example/")),
    "send the header whole": put("/Subscription/s1", subscription(header=["Authorization: ********"])),
    "No subscription of this name is registered here": post("/../notifications/none", patient()),
}
"""By message, a request to a service with p1 (of two names) and p2, both women, and one who is gone."""
ELSEWHERE = {
    "cannot advise without prefetch key": "tests/cds_hooks/test_prefetch.py",
    "The database is not available": "tests/chaos/test_full_disk.py",
    "The server failed to handle this request": "tests/fhir/test_interactions.py",
}
"""What is not asked for but happens, with the tests in which it does."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Any]:
    data = tmp_path_factory.mktemp("asked")
    (data / "a.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(
        database_url=f"sqlite:///{data / 'a.db'}",
        event_log_url=f"sqlite:///{data / 'events.db'}",
        public_url="http://127.0.0.1",
        ehr_fhir_url="https://ehr.example/fhir",
        subscriber_origins=("https://hooks.example",),
        max_body_bytes=65_536,
    )
    away = httpx.MockTransport(lambda _request: httpx.Response(503))
    with served.served(build_app(service(settings, away, away), settings)) as client:
        names = [{"family": "A"}, {"family": "B"}]
        for one in (patient(gender="female", name=names), patient("p2", gender="female"), patient("gone")):
            assert client.put(f"/fhir/Patient/{one['id']}", json=one).status_code == 201
        client.request("DELETE", "/fhir/Patient/gone")
        yield client


def test_every_message_of_the_troubleshooting_table_is_said(asked: Any) -> None:
    told = {}
    for message, (method, path, body, headers) in ASKED.items():
        given: Json = {"headers": headers}
        given |= {"content": body} if isinstance(body, str) else {"json": body} if body is not None else {}
        url = path.removeprefix("/..") if path.startswith("/..") else f"/fhir{path}"
        answer = asked.request(method, url, **given)
        entries = answer.json().get("entry", [])
        status = entries[0]["response"]["status"] if entries else str(answer.status_code)
        told[message] = (status, all(part in answer.text for part in parts_of(message)))
    listed = {message: status for status, message in EVERYWHERE}
    assert told == {message: (listed.get(message), True) for message in ASKED}


def test_the_troubleshooting_table_and_what_is_asked_for_are_the_same() -> None:
    table = {message for _, message in BY_MESSAGE}
    assert table - ASKED.keys() == set(ELSEWHERE)
    for file in ELSEWHERE.values():
        assert (ROOT / file).exists()
