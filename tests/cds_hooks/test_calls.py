"""A call is answered with cards, or refused with a status and an OperationOutcome; never with silence."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

import pytest

from isodose.cds_hooks import Action, Card, Source, Suggestion
from isodose.cds_hooks.models import empty_values


def expressions(answer: Any) -> list[str]:
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return [path for issue in outcome["issue"] for path in issue.get("expression", [])]


def test_a_call_is_answered_with_its_cards(desk: Any) -> None:
    answer = desk.post("view", desk.request())
    assert answer.status_code == 200
    [card] = answer.json()["cards"]
    assert card["summary"] == "Something to act on"
    assert card["links"][0]["url"] == "https://isodose.example/worklist/p1"
    [call] = desk.calls
    assert call.patient_id == "p1"
    assert call.on == dt.date(2026, 11, 23)
    assert [resource["resourceType"] for resource in call.resources] == ["Patient", "Observation"]
    assert call.unavailable == ()


def test_no_advice_is_an_empty_list_of_cards(desk: Any) -> None:
    desk.cards = []
    assert desk.post("view", desk.request()).json() == {"cards": []}


def test_a_response_holds_nothing_empty_and_names_cards_for_feedback(desk: Any) -> None:
    order = {"resourceType": "ServiceRequest", "status": "draft", "intent": "proposal"}
    suggestion = Suggestion(
        label="Order the MRI", actions=(Action(type="create", description="Order it", resource=order),)
    )
    desk.cards = [
        Card(
            summary="Next MRI due",
            indicator="info",
            source=Source(label="Isodose"),
            suggestions=(suggestion,),
            selection_behavior="any",
        )
    ]
    first, second = (desk.post("view", desk.request()).json() for _ in range(2))
    assert first == second
    assert list(empty_values(first)) == []
    [card] = first["cards"]
    assert card["uuid"] != card["suggestions"][0]["uuid"]
    assert card["suggestions"][0]["actions"][0]["resource"] == order


def test_draft_orders_and_selections_reach_the_service(desk: Any) -> None:
    assert desk.post("orders", desk.request("order-select")).status_code == 200
    [call] = desk.calls
    assert [draft["id"] for draft in call.drafts] == ["draft-1"]
    assert call.selections == ("MedicationRequest/draft-1",)
    assert call.resources[0]["resourceType"] == "MedicationRequest"


def test_a_draft_wins_over_the_stored_order_of_the_same_identity(desk: Any) -> None:
    stored = {**desk.DRAFT, "status": "active"}
    body = desk.request(
        "order-sign", prefetch={"patient": desk.PATIENT, "observations": desk.searchset(stored)}
    )
    assert desk.post("orders", body).status_code == 200
    orders = [r for r in desk.calls[0].resources if r["resourceType"] == "MedicationRequest"]
    assert [order["status"] for order in orders] == ["draft"]


def test_appointments_reach_the_service(desk: Any) -> None:
    appointment = {
        "resourceType": "Appointment",
        "status": "proposed",
        "start": "2027-01-10T09:00:00Z",
        "end": "2027-01-10T09:30:00Z",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "needs-action"}],
    }
    context = {"userId": "Patient/p1", "patientId": "p1", "appointments": desk.collection(appointment)}
    assert desk.post("booking", desk.request("appointment-book", context=context)).status_code == 200
    assert desk.calls[0].appointments[0]["start"] == "2027-01-10T09:00:00Z"


def test_unknown_members_and_extensions_are_tolerated(desk: Any) -> None:
    body = desk.request(extension={"org.example.hello": {"a": [1]}}, surprise=1)
    body["context"]["extension"] = {"org.example.more": True}
    body["prefetch"]["notOurs"] = {"anything": None}
    assert desk.post("view", body).status_code == 200


def test_an_unknown_service_is_404(desk: Any) -> None:
    assert desk.post("nobody", desk.request()).status_code == 404


def test_a_hook_the_service_does_not_answer_is_400(desk: Any) -> None:
    answer = desk.post("view", desk.request("order-sign"))
    assert answer.status_code == 400
    assert expressions(answer) == ["hook"]


@pytest.mark.parametrize(
    ("change", "expression"),
    [
        ({"hookInstance": None}, "hookInstance"),
        ({"hookInstance": "not-a-uuid"}, "hookInstance"),
        ({"context": None}, "context"),
        ({"context": []}, "context"),
        ({"hook": 5}, "hook"),
        ({"prefetch": [1]}, "prefetch"),
        ({"context": {"userId": "Practitioner/1", "patientId": "Patient/p1"}}, "context.patientId"),
        ({"context": {"userId": "1", "patientId": "p1"}}, "context.userId"),
        ({"fhirServer": "ftp://ehr"}, "fhirServer"),
    ],
)
def test_a_malformed_envelope_is_400_and_names_the_member(
    desk: Any, change: dict[str, Any], expression: str
) -> None:
    answer = desk.post("view", desk.request(**change))
    assert answer.status_code == 400
    assert expression in expressions(answer)
    assert desk.calls == []


def test_authorization_without_a_server_is_400(desk: Any) -> None:
    answer = desk.post("view", desk.request(fhirAuthorization=desk.AUTHORIZED["fhirAuthorization"]))
    assert answer.status_code == 400
    assert expressions(answer) == ["fhirServer"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hook": 5}, "hook must be a JSON string."),
        ({"hookInstance": "1"}, "hookInstance must be a UUID."),
        ({"context": []}, "context must be a JSON object."),
        ({"fhirServer": "ehr"}, "fhirServer must be an absolute http or https address."),
    ],
)
def test_what_is_wrong_with_a_member_is_said_in_plain_words(
    desk: Any, change: dict[str, Any], said: str
) -> None:
    answer = desk.post("view", desk.request(**change))
    assert [issue["diagnostics"] for issue in answer.json()["issue"]] == [said]


def test_of_a_body_that_is_no_object_that_is_said(desk: Any) -> None:
    (issue,) = desk.post("view", b"[]").json()["issue"]
    assert issue["diagnostics"] == "The body must be a JSON object."


@pytest.mark.parametrize("member", ["draftOrders", "selections"])
def test_an_order_hook_without_its_orders_is_400(desk: Any, member: str) -> None:
    body = desk.request("order-select")
    del body["context"][member]
    answer = desk.post("orders", body)
    assert answer.status_code == 400
    assert f"context.{member}" in expressions(answer)


def test_a_selection_that_is_not_among_the_drafts_is_400(desk: Any) -> None:
    body = desk.request("order-select")
    body["context"]["selections"].append("MedicationRequest/unseen")
    assert expressions(desk.post("orders", body)) == ["context.selections[1]"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 5000]
)
def test_what_is_not_a_json_object_is_400(desk: Any, body: bytes) -> None:
    answer = desk.post("view", body)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_another_media_type_is_415(desk: Any) -> None:
    assert desk.post("view", desk.request(), content_type="text/xml").status_code == 415


def test_a_body_that_is_too_large_is_413(desk: Any) -> None:
    assert desk.post("view", desk.request(extension={"x": "y" * 200_000})).status_code == 413


def test_an_invalid_resource_is_400_and_named_by_its_place(desk: Any) -> None:
    broken = {**desk.KPS, "id": "broken", "status": "finished"}
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": desk.searchset(desk.KPS, broken)})
    answer = desk.post("view", body)
    assert answer.status_code == 400
    assert expressions(answer) == ["prefetch.observations.entry[1].resource.status"]
    assert desk.calls == []


def test_an_invalid_draft_is_400_but_its_temporary_id_is_the_ehrs_own_business(desk: Any) -> None:
    body = desk.request("order-sign")
    body["context"]["draftOrders"] = desk.collection({**desk.DRAFT, "id": "draft‑with odd id"})
    assert desk.post("orders", body).status_code == 200
    body["context"]["draftOrders"] = desk.collection({**desk.DRAFT, "intent": "wish"})
    answer = desk.post("orders", body)
    assert answer.status_code == 400
    assert expressions(answer) == ["context.draftOrders.entry[0].resource.intent"]


@pytest.mark.parametrize(
    "reference", ["Patient/p2", "https://ehr.example/fhir/Patient/p2", "Patient/p2/_history/1"]
)
def test_data_of_another_patient_is_refused(desk: Any, reference: str) -> None:
    strange = {**desk.KPS, "subject": {"reference": reference}}
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": desk.searchset(strange)})
    answer = desk.post("view", body)
    assert answer.status_code == 400
    assert expressions(answer) == ["prefetch.observations.entry[0].resource"]


def test_a_failure_of_the_service_is_500_and_never_empty_cards(
    desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk.failure = RuntimeError("Jane Doe, born 1960")
    with caplog.at_level(logging.DEBUG):
        answer = desk.post("view", desk.request())
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["code"] == "exception"
    assert "RuntimeError" in caplog.text
    assert "Jane" not in caplog.text + answer.text


def test_tokens_are_never_logged_nor_answered(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    desk.failure = RuntimeError("boom")
    with caplog.at_level(logging.DEBUG):
        answers = [
            desk.post("view", desk.request(**desk.AUTHORIZED)),
            desk.post("view", {**desk.request(**desk.AUTHORIZED), "hookInstance": "x"}),
            desk.post("view", desk.request(**desk.AUTHORIZED, prefetch={})),
        ]
    assert [answer.status_code for answer in answers] == [500, 400, 412]
    assert "very-secret-token" not in caplog.text + json.dumps([answer.json() for answer in answers])
