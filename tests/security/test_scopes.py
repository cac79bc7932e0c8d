"""Who may do what: each scope with each kind of request, allowed or not; never a word of another patient."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from isodose.security.scopes import access_of


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def service_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The limits are conditions in SQL: they hold on either database."""
    if request.param == "sqlite":
        yield ""
        return
    server, name = make_url(request.getfixturevalue("postgresql_url")), f"test_{secrets.token_hex(6)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(text(f'CREATE DATABASE "{name}"'))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as conn:
        conn.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


def rows(table: str) -> list[Any]:
    lines = (Path(__file__).parent / table).read_text("utf-8").splitlines()
    listed = [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#")]
    return [pytest.param(*row, id=" ".join(row[:2])) for row in listed]


def no_leak(answer: Any, wanted: str) -> None:
    """Another patient's words are not in an answer that should not hold them, not even in an error."""
    said = {name: value for name, value in answer.json().items() if name != "link"}
    if "p2" not in wanted:
        for secret in ("Family-p2", "p2-lesion", "p2-condition", "p2-lab", "seen in p2", "Patient/p2"):
            assert secret not in str(said), secret


@pytest.mark.parametrize(("scope", "request_", "status", "ids"), rows("reads.txt"))
def test_reads(scope: str, request_: str, status: str, ids: str, service: Any, authority: Any) -> None:
    answer = service.get(f"/fhir/{request_}", headers=authority.header(scope, patient="p1"))
    assert answer.status_code == int(status), answer.text
    body = answer.json()
    if status != "200":
        assert body["resourceType"] == "OperationOutcome"
    elif body["resourceType"] == "Bundle" and ids != "*":
        found = [e["resource"]["id"] for e in body.get("entry", []) if "resource" in e]
        assert sorted(found) == sorted(ids.split())
    if scope.startswith("patient/") and "system/" not in scope:
        no_leak(answer, ids)


@pytest.mark.parametrize(("scope", "request_", "body", "status"), rows("writes.txt"))
def test_writes(
    scope: str, request_: str, body: str, status: str, service: Any, authority: Any, make: Any
) -> None:
    method, target = request_.split()
    headers = authority.header(scope, patient="p1")
    given: dict[str, Any] = {"headers": headers | make.FHIR}
    if body == "patch":
        given["headers"] |= {"content-type": "application/json-patch+json"}
        given["content"] = b'[{"op":"add","path":"/language","value":"en"}]'
    elif body:
        given["json"] = make.observation(*body.split())
        given["json"]["resourceType"] = target.split("/")[0]
    answer = service.request(method, f"/fhir/{target}", **given)
    assert answer.status_code == int(status), answer.text
    if answer.status_code >= 400:
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(("scope", "request_", "status"), rows("bundles.txt"))
def test_each_entry_of_a_batch_is_judged(
    scope: str, request_: str, status: str, service: Any, authority: Any, make: Any
) -> None:
    method, url = request_.split()
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": method, "url": url}}],
    }
    headers = make.FHIR | authority.header(scope, patient="p1")
    answer = service.post("/fhir", json=bundle, headers=headers)
    (entry,) = answer.json()["entry"]
    assert entry["response"]["status"] == status
    no_leak(answer, "p1")


def test_a_transaction_with_one_forbidden_entry_does_nothing(service: Any, authority: Any, make: Any) -> None:
    own, foreign = make.observation("mine", "p1"), make.observation("theirs", "p2")
    headers = make.FHIR | authority.header("patient/*.cruds", patient="p1")
    assert service.post("/fhir", json=make.transaction(own, foreign), headers=headers).status_code == 403
    assert service.get("/fhir/Observation/mine", headers=headers).status_code == 404


def test_a_condition_finds_nothing_of_another_patient(service: Any, authority: Any, make: Any) -> None:
    headers = make.FHIR | authority.header("patient/*.cruds", patient="p1")
    refused = service.put(
        "/fhir/Observation?_id=p2-lab", json=make.observation("p2-lab", "p1"), headers=headers
    )
    assert refused.status_code == 403
    gone = service.request("DELETE", "/fhir/Observation?_id=p2-survey", headers=headers)
    assert gone.status_code == 204
    everything = authority.header("system/*.rs")
    assert service.get("/fhir/Observation/p2-survey", headers=everything).status_code == 200


def test_a_reference_to_another_patient_is_not_written(service: Any, authority: Any, make: Any) -> None:
    headers = make.FHIR | authority.header("patient/*.cruds", patient="p1")
    for other in ("p2", "nobody"):
        performer = [{"reference": f"Patient/{other}"}]
        body = make.observation("n9", "p1", performer=performer)
        answer = service.put("/fhir/Observation/n9", json=body, headers=headers)
        assert answer.status_code == 403, "whether the patient exists is not told"


def test_without_a_patient_a_patient_scope_allows_nothing(service: Any, authority: Any) -> None:
    assert service.get("/fhir/Patient", headers=authority.header("patient/*.rs")).status_code == 403


def test_a_record_by_claim_check_is_for_services_alone(service: Any, authority: Any) -> None:
    refused = service.get("/patient-record/p1/1", headers=authority.header("system/*.cruds"))
    assert refused.status_code == 403


def test_scopes_that_are_not_understood_allow_nothing() -> None:
    for scope in ("system/*.rs?x=1", "system/Observation.rs?a.b.c=1", "admin/*.rs", "system/*.", ""):
        assert access_of([scope], "p1").grants == ()
