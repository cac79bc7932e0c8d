"""Results stand at the EHR once, about the right patient, follow what changes, and overwrite nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from databases import both
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.write_back import ledger
from ehr_ingestion.write_back.writing import overwriting
from isodose.events import jobs
from isodose.storage.database import Database
from isodose.storage.tables import written_back
from results_at_ehr import BASE, EHR, PATIENT, TYPES, Ehr, decided, entry, result, results, settled


@both
def test_each_result_stands_at_the_ehr_once_and_points_to_what_is_there(
    tell: Callable[..., None], ehr: Ehr
) -> None:
    for version in (1, 1, 2):
        tell(version, results())
    [plan], [order], [task] = ehr.holds("CarePlan"), ehr.holds("ServiceRequest"), ehr.holds("Task")
    assert plan["activity"] == [{"reference": {"reference": f"ServiceRequest/{order['id']}"}}]
    assert order["basedOn"] == [{"reference": f"CarePlan/{plan['id']}"}]
    assert task["focus"] == {"reference": f"ServiceRequest/{order['id']}"}
    assert plan["identifier"] == [{"system": f"{BASE}/NamingSystem/result", "value": "plan"}]
    assert sorted(ehr.sent) == sorted([*(f"POST {kind}" for kind in TYPES), "PUT CarePlan"])


def test_what_is_not_written_is_pointed_to_by_its_identifier_and_the_ehrs_by_its_own_id(
    tell: Callable[..., None], ehr: Ehr
) -> None:
    tell(1, results())
    [plan], [group] = ehr.holds("CarePlan"), ehr.holds("RequestGroup")
    risk = {"system": f"{BASE}/NamingSystem/result", "value": "risk"}
    assert plan["supportingInfo"] == [
        {"type": "RiskAssessment", "identifier": risk},
        {"reference": "Procedure/course"},
    ]
    address = {"system": "urn:ietf:rfc:3986", "value": f"{BASE}/ActivityDefinition/srs"}
    assert group["action"][0]["resource"] == {"identifier": address, "display": "x"}
    assert ehr.holds("RiskAssessment") == []


def test_only_what_changed_is_sent_again(tell: Callable[..., None], ehr: Ehr) -> None:
    tell(1, results())
    ehr.sent.clear()
    tell(2, results(detail="changed"))
    assert ehr.sent == ["PUT DetectedIssue"]
    [issue] = ehr.holds("DetectedIssue")
    assert (issue["detail"], issue["meta"]["versionId"]) == ("changed", "2")


def test_a_withdrawn_result_is_withdrawn_at_the_ehr_and_never_made_there(
    tell: Callable[..., None], ehr: Ehr
) -> None:
    tell(1, results())
    tell(2, [*results(status="cancelled"), result("DetectedIssue", "other", status="cancelled")])
    [issue] = ehr.holds("DetectedIssue")
    assert (issue["identifier"][0]["value"], issue["status"]) == ("alert", "cancelled")


def test_what_somebody_changed_at_the_ehr_is_not_overwritten_until_it_is_settled(
    client: Any, tell: Callable[..., None], ehr: Ehr, database: Database, serving: Any
) -> None:
    tell(1, results())
    [issue] = ehr.holds("DetectedIssue")
    ehr.put(issue | {"detail": "a clinician's words"})
    tell(2, results(detail="changed"))
    tell(3, results(detail="changed again"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["a clinician's words"]
    conflict = entry(database, "DetectedIssue", "alert")
    assert (conflict.state, conflict.status) == ("conflict", 412)
    shown = 'isodose_write_back_results{service="ehr_ingestion",state="conflict"} 1.0'
    assert shown in client.get("/metrics").text
    with client.app.state.running.transaction() as work:
        ledger.put(work.conn, overwriting(EhrClient(EHR, transport=ehr), conflict))
    tell(4, results(detail="changed again"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["changed again"]
    assert entry(database, "DetectedIssue", "alert").state == "written"


def test_what_somebody_deleted_at_the_ehr_is_not_made_again(
    tell: Callable[..., None], ehr: Ehr, database: Database
) -> None:
    tell(1, results())
    [issue] = ehr.holds("DetectedIssue")
    ehr.client.request("DELETE", f"/fhir/DetectedIssue/{issue['id']}")
    tell(2, results(detail="changed"))
    assert ehr.holds("DetectedIssue") == []
    assert entry(database, "DetectedIssue", "alert").state == "conflict"


def test_a_version_that_says_the_same_is_no_conflict(tell: Callable[..., None], ehr: Ehr) -> None:
    tell(1, results())
    [issue] = ehr.holds("DetectedIssue")
    ehr.put(
        issue | {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}}
    )
    tell(2, results(detail="changed"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["changed"]


@pytest.mark.parametrize("changed", [False, True])
def test_what_was_made_before_a_crash_is_found_again(
    tell: Callable[..., None], ehr: Ehr, database: Database, changed: bool
) -> None:
    tell(1, results())
    with database.begin() as conn:
        conn.execute(delete(written_back))
    tell(2, results(detail="changed") if changed else [*results(), result("Task", "new", status="requested")])
    assert [len(ehr.holds(kind)) for kind in TYPES] == [1, 1, 1 if changed else 2, 1, 1]
    assert ehr.holds("DetectedIssue")[0]["detail"] == ("changed" if changed else "as it was")


def test_what_the_ehr_refuses_is_told_and_not_sent_again_before_it_changes(
    tell: Callable[..., None], ehr: Ehr, database: Database
) -> None:
    ehr.refuses = "DetectedIssue"
    tell(1, results())
    states = [entry(database, *key).state for key in (("DetectedIssue", "alert"), ("Task", "book"))]
    assert states == ["refused", "written"]
    ehr.refuses = ""
    ehr.sent.clear()
    tell(2, results())
    assert ehr.sent == []
    tell(3, results(detail="changed"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["changed"]


def test_an_ehr_that_is_away_gets_everything_when_it_is_back(
    tell: Callable[..., None], ehr: Ehr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.02)
    ehr.answers = [httpx.Response(503), httpx.Response(500), httpx.Response(401), httpx.Response(429)]
    tell(1, results())
    assert [len(ehr.holds(kind)) for kind in TYPES] == [1, 1, 1, 1, 1]


def test_what_the_ehr_fails_on_holds_up_no_other(
    ehr: Ehr, client: Any, database: Database, serving: Any
) -> None:
    ehr.refuses, ehr.refusal = "CarePlan", 500
    with client.app.state.running.transaction() as work:
        fold_guidance(work, [decided(1, results())], write_back=True)
    serving.eventually(lambda: ehr.holds("RequestGroup"))
    assert [len(ehr.holds(kind)) for kind in TYPES] == [0, 1, 1, 1, 1]
    assert not settled(database)


def test_results_go_to_the_patient_of_the_same_identifier(
    tell: Callable[..., None], ehr: Ehr, client: Any
) -> None:
    ehr.client.request("DELETE", "/fhir/Patient/p1")
    ehr.put(PATIENT | {"id": "at-the-ehr"})
    tell(1, results())
    assert [one["patient"] for one in ehr.holds("DetectedIssue")] == [{"reference": "Patient/at-the-ehr"}]
