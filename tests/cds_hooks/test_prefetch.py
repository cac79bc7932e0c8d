"""Null is empty, absent is fetched, and a required key that cannot be had refuses the call."""

from __future__ import annotations

import time
from typing import Any

import pytest

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}


def named(answer: Any) -> list[str]:
    return [path for issue in answer.json()["issue"] for path in issue["expression"]]


def test_null_means_asked_and_empty(desk: Any) -> None:
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": None, "scans": None})
    assert desk.post("view", {**body, **desk.AUTHORIZED}).status_code == 200
    assert desk.ehr.asked == []
    assert desk.calls[0].unavailable == ()


def test_a_required_key_neither_given_nor_to_be_fetched_is_412_and_named(desk: Any) -> None:
    answer = desk.post("view", desk.request(prefetch={"patient": desk.PATIENT}))
    assert answer.status_code == 412
    assert named(answer) == ["prefetch.observations"]
    assert "Observation?patient={{context.patientId}}" in answer.text


def test_no_prefetch_at_all_names_every_required_key(desk: Any) -> None:
    answer = desk.post("view", desk.request(prefetch=None))
    assert answer.status_code == 412
    assert named(answer) == ["prefetch.patient", "prefetch.observations"]


def test_an_absent_key_is_fetched_with_the_token_of_the_call(desk: Any) -> None:
    desk.ehr.answers = {"Observation?patient=p1": [desk.KPS], "ImagingStudy?patient=p1": []}
    answer = desk.post("view", desk.request(prefetch={"patient": desk.PATIENT}, **desk.AUTHORIZED))
    assert answer.status_code == 200
    assert ("https://ehr.example/fhir", "Observation?patient=p1", "very-secret-token") in desk.ehr.asked
    assert [resource["id"] for resource in desk.calls[0].resources] == ["p1", "kps"]
    assert desk.calls[0].unavailable == ()


def test_a_server_that_is_not_on_the_list_is_never_asked(desk: Any) -> None:
    strange = {**desk.AUTHORIZED, "fhirServer": "https://evil.example/fhir"}
    answer = desk.post("view", desk.request(prefetch={"patient": desk.PATIENT}, **strange))
    assert answer.status_code == 412
    assert desk.ehr.asked == []


def test_an_ehr_that_refuses_is_412_for_a_required_key(desk: Any) -> None:
    answer = desk.post("view", desk.request(prefetch={"patient": desk.PATIENT}, **desk.AUTHORIZED))
    assert answer.status_code == 412
    assert "answered 401" in answer.text


def test_an_ehr_that_does_not_answer_in_time_is_412_in_time(desk: Any) -> None:
    def sleep(*_anything: Any) -> list[Any]:
        time.sleep(1.0)
        return []

    desk.ehr.fetch = sleep
    started = time.monotonic()
    answer = desk.post("view", desk.request(prefetch={"patient": desk.PATIENT}, **desk.AUTHORIZED))
    assert answer.status_code == 412
    assert time.monotonic() - started < 0.95


def test_an_optional_key_not_offered_is_said_in_the_card(desk: Any) -> None:
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": None})
    answer = desk.post("view", body)
    assert answer.status_code == 200
    assert desk.calls[0].unavailable == ("scans",)
    assert "Not available for this answer: scans" in answer.json()["cards"][0]["detail"]


def test_an_optional_key_not_offered_makes_no_card_of_its_own(desk: Any) -> None:
    desk.cards = []
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": None})
    assert desk.post("view", body).json() == {"cards": []}


def test_an_optional_key_asked_for_in_vain_is_told_even_without_advice(desk: Any) -> None:
    desk.cards = []
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": None, "scans": OUTCOME})
    [card] = desk.post("view", body).json()["cards"]
    assert card["indicator"] == "info"
    assert "scans" in card["detail"]


def test_an_outcome_instead_of_data_is_unavailable_and_412_where_required(desk: Any) -> None:
    body = desk.request(prefetch={"patient": desk.PATIENT, "observations": OUTCOME})
    answer = desk.post("view", body)
    assert answer.status_code == 412
    assert named(answer) == ["prefetch.observations"]


def test_an_outcome_instead_of_data_is_asked_for_again(desk: Any) -> None:
    desk.ehr.answers = {"Observation?patient=p1": [desk.KPS]}
    body = desk.request(
        prefetch={"patient": desk.PATIENT, "observations": OUTCOME, "scans": None}, **desk.AUTHORIZED
    )
    assert desk.post("view", body).status_code == 200
    assert desk.calls[0].unavailable == ()


def page(desk: Any) -> dict[str, Any]:
    link = [{"relation": "next", "url": "https://ehr.example/fhir/Observation?patient=p1&_page=2"}]
    return desk.searchset(desk.KPS, link=link)


def test_further_pages_are_followed_with_the_token(desk: Any) -> None:
    second = {**desk.KPS, "id": "kps-2"}
    desk.ehr.answers = {"https://ehr.example/fhir/Observation?patient=p1&_page=2": [second]}
    prefetch = {"patient": desk.PATIENT, "observations": page(desk), "scans": None}
    assert desk.post("view", desk.request(prefetch=prefetch, **desk.AUTHORIZED)).status_code == 200
    assert [resource["id"] for resource in desk.calls[0].resources] == ["p1", "kps", "kps-2"]
    assert desk.calls[0].unavailable == ()


def test_pages_that_cannot_be_followed_are_declared(desk: Any) -> None:
    prefetch = {"patient": desk.PATIENT, "observations": page(desk), "scans": None}
    answer = desk.post("view", desk.request(prefetch=prefetch))
    assert answer.status_code == 200
    assert desk.calls[0].unavailable == ("observations",)
    assert "only the first page" in answer.json()["cards"][0]["detail"]


@pytest.mark.parametrize("value", [[], "x", 1, {}, {"response": {"status": "200"}}])
def test_a_value_that_is_no_resource_is_400(desk: Any, value: Any) -> None:
    answer = desk.post("view", desk.request(prefetch={"patient": value, "observations": None}))
    assert answer.status_code == 400
    assert named(answer) == ["prefetch.patient"]


def test_a_bundle_without_its_resources_is_400(desk: Any) -> None:
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"fullUrl": "urn:x"}]}
    answer = desk.post("view", desk.request(prefetch={"patient": desk.PATIENT, "observations": bundle}))
    assert answer.status_code == 400
    assert named(answer) == ["prefetch.observations.entry[0].resource"]
