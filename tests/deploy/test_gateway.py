"""The gateway itself: nginx with its configuration before the five services as processes of their own."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

import gateway
from all_in_one.composition import PREFIXES, SERVICES
from debian import CannotFetch
from isodose.settings import Settings
from processes import NAMES, Services, environments
from served import FHIR, free_port
from worklist.changes import HEARTBEAT_S

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]
BUILT = {name: make(Settings().for_service(name, 0)) for name, make in SERVICES.items()}
KNOWN = {name: f"{name.replace('_', '-')}:{service.port}" for name, service in BUILT.items()}
LIMIT = Settings().max_body_bytes


@pytest.fixture(scope="module")
def nginx(not_here: Any) -> None:
    try:
        gateway.nginx()
    except CannotFetch as reason:
        not_here(reason)


@pytest.fixture(scope="module")
def public(
    nginx: None, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, patients: list[Path]
) -> Iterator[httpx.Client]:
    """A client of the gateway, with two patients in the record behind it."""
    folder, port = tmp_path_factory.mktemp("gateway"), free_port()
    databases = iter(NAMES)

    def database() -> str:
        path = folder / f"{next(databases)}.db"
        shutil.copyfile(sqlite_template, path)
        return f"sqlite:///{path}"

    made = environments(f"sqlite:///{folder / 'events.db'}", database)
    for name, environment in made.items():
        environment["ISODOSE_PUBLIC_URL"] = f"http://127.0.0.1:{port}{PREFIXES[name]}"
    services = Services(made, folder)
    try:
        services.start_all()
        ports = {KNOWN[name]: int(made[name]["ISODOSE_PORT"]) for name in NAMES}
        with gateway.gateway(folder / "nginx", port, ports) as url, httpx.Client(base_url=url) as client:
            for file in (patients[5], patients[10]):
                answer = client.post("/fhir", content=file.read_bytes(), headers=FHIR, timeout=60)
                assert answer.status_code == 200, answer.text
            yield client
    finally:
        services.stop()


@pytest.fixture(scope="module")
def before_nobody(nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway behind which no service listens."""
    nowhere = {known: free_port() for known in KNOWN.values()}
    folder = tmp_path_factory.mktemp("nobody")
    with gateway.gateway(folder, free_port(), nowhere) as url, httpx.Client(base_url=url) as client:
        yield client


def issue(answer: httpx.Response) -> dict[str, Any]:
    """What an OperationOutcome says, as FHIR and CDS clients read it."""
    assert answer.headers["content-type"].startswith("application/fhir+json"), answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    (told,) = outcome["issue"]
    assert told["severity"] == "error"
    return dict(told)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "worklist"])
def test_each_base_is_that_of_its_service_and_links_lead_back_through_the_gateway(
    public: httpx.Client, name: str
) -> None:
    prefix = PREFIXES[name]
    assert public.get(f"{prefix}/openapi.json").json()["info"]["title"] == BUILT[name].title
    statement = public.get(f"{prefix}/fhir/metadata").json()
    assert statement["implementation"]["url"] == f"{public.base_url}{prefix}/fhir"
    assert public.get(f"{prefix}/fhir").status_code == 405
    page = public.get(f"{prefix}/fhir/CodeSystem?_count=1").json()
    (following,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
    assert public.get(following).json()["entry"]
    assert following.startswith(f"{public.base_url}{prefix}/fhir")


def test_cds_services_are_listed_together_and_each_answers_for_itself(public: httpx.Client) -> None:
    listed = {one["id"] for one in public.get("/cds-services").json()["services"]}
    assert listed == {cds.id for service in BUILT.values() for cds in service.cds_services}
    for id in listed:
        answer = public.post(f"/cds-services/{id}", json={})
        assert answer.status_code == 400, (id, answer.text)
    assert issue(public.post("/cds-services/nobody-s", json={}))["code"] == "not-found"


def test_the_other_public_paths_are_there(public: httpx.Client, serving: ModuleType) -> None:
    assert public.get("/worklist").headers["content-type"].startswith("text/html")
    serving.eventually(lambda: public.get("/worklist/Patient/demo-11").status_code == 200, 30)
    assert "see /fhir/metadata" in issue(public.post("/notifications/none", json={}))["diagnostics"]
    assert (public.get("/healthz").text, public.get("/readyz").status_code) == ("alive\n", 200)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/cds-services", "/patient-record/p/1"])
def test_what_is_for_operators_or_other_services_is_not_public(public: httpx.Client, path: str) -> None:
    inside = [f"{prefix}{path}" for prefix in PREFIXES.values() if prefix]
    for asked in [*inside, *([path] if path in ("/metrics", "/patient-record/p/1") else [])]:
        answer = public.get(asked)
        assert (answer.status_code, issue(answer)["code"]) == (404, "not-found"), asked


def test_the_first_page_is_the_worklist_whatever_the_gateway_is_called_outside(public: httpx.Client) -> None:
    outside = {"host": "isodose.example", "x-forwarded-proto": "https"}
    answer = public.get("/", headers=outside)
    assert (answer.status_code, answer.headers["location"]) == (302, "/worklist")


def test_a_body_up_to_the_limit_passes_and_a_larger_one_is_told_so(public: httpx.Client) -> None:
    whole = orjson.dumps({"resourceType": "Patient", "id": "large"})
    for size, status in ((LIMIT, 201), (LIMIT + 1, 413), (LIMIT + 2_000_000, 413)):
        answer = public.put("/fhir/Patient/large", content=whole.ljust(size), headers=FHIR, timeout=60)
        assert answer.status_code == status, answer.text
        assert status == 201 or issue(answer)["code"] == "too-long"


def test_a_long_search_passes(public: httpx.Client) -> None:
    ids = ",".join(["demo-11", *(f"{number:036}" for number in range(499))])
    answer = public.get(f"/fhir/Patient?_id={ids}")
    assert (answer.status_code, len(answer.json()["entry"])) == (200, 1)


def test_who_asked_is_the_caller_and_not_the_gateway_nor_whom_the_caller_names(
    public: httpx.Client, serving: ModuleType
) -> None:
    """Through an ingress, which 127.0.0.1 is here, and straight from an address that is no proxy's."""
    named = "192.0.2.1"
    through = {"x-forwarded-for": f"{named}, 203.0.113.7"}
    assert public.get("/fhir/Patient/demo-11", headers=through).status_code == 200
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as straight:
        url = f"{public.base_url}/fhir/Patient/demo-11"
        assert straight.get(url, headers={"x-forwarded-for": named}).status_code == 200

    def addresses() -> set[str]:
        found = public.get("/fhir/AuditEvent?patient=demo-11&_count=50").json().get("entry", [])
        return {e["resource"]["agent"][0].get("network", {}).get("address", "") for e in found}

    serving.eventually(lambda: {"203.0.113.7", "127.0.0.2"} <= addresses(), 20)
    assert named not in addresses()


def test_changes_arrive_on_an_open_page_before_the_next_heartbeat(
    public: httpx.Client, patients: list[Path]
) -> None:
    with public.stream("GET", "/worklist/changes?patient=demo-13", timeout=30) as live:
        assert live.headers["content-type"].startswith("text/event-stream")
        begun, lines = time.monotonic(), live.iter_lines()
        assert next(lines) == "retry: 3000"
        answer = public.post("/fhir", content=patients[12].read_bytes(), headers=FHIR, timeout=60)
        assert answer.status_code == 200
        told = next(line for line in lines if line.startswith("data:"))
    assert "demo-13" in told
    assert time.monotonic() - begun < HEARTBEAT_S


def test_an_answer_says_nothing_of_what_runs_here_and_pages_keep_their_policy(public: httpx.Client) -> None:
    page = public.get("/worklist")
    assert page.headers["server"] == "nginx"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Patient/p1", "/fhir", "/openapi.json", "/notifications/a", "/eligibility/fhir/metadata",
        "/surveillance/fhir/metadata", "/alerts/fhir/metadata", "/cds-services", "/cds-services/srs-a",
        "/cds-services/are-a", "/cds-services/ici-a", "/cds-services/other", "/readyz",
    ],
)  # fmt: skip
def test_a_service_that_is_away_is_told_as_a_service_would(before_nobody: httpx.Client, path: str) -> None:
    for answer in (before_nobody.get(path), before_nobody.post(path, json={})):
        assert (answer.status_code, issue(answer)["code"]) == (503, "transient")
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/worklist", "/worklist/Patient/p1"])
def test_a_worklist_that_is_away_is_told_to_people(before_nobody: httpx.Client, path: str) -> None:
    answer = before_nobody.get(path)
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "not available now" in answer.text
    assert int(answer.headers["retry-after"]) > 0


def test_idle_connections_are_closed_by_the_gateway_before_a_service_closes_them() -> None:
    """Else a write may be sent on one that is being closed, and nobody knows whether it was taken."""
    text = gateway.CONFIGURATION.read_text(encoding="utf-8")
    kept = [int(seconds) for seconds in re.findall(r"keepalive \d+; keepalive_timeout (\d+)s; }", text)]
    assert len(kept) == len(NAMES)
    assert max(kept) < uvicorn.Config("none").timeout_keep_alive
