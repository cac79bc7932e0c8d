"""Every published CDS Hooks sample is answered, or refused with the status the specification asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from isodose.cds_hooks import Card
from isodose.cds_hooks.models import FeedbackBatch, OverrideReason

Sample = Callable[[str], Any]


def test_the_patient_view_request_lacks_a_required_key_and_its_server_is_not_on_the_list(
    desk: Any, sample: Sample
) -> None:
    answer = desk.post("view", sample("hl7-cds-hooks/request-patient-view.json"))
    assert answer.status_code == 412
    assert "very-secret" not in answer.text


def test_the_patient_view_request_is_answered_once_our_keys_are_there(desk: Any, sample: Sample) -> None:
    body = sample("hl7-cds-hooks/request-patient-view.json")
    body["prefetch"] = {"patient": body["prefetch"]["patientToGreet"], "observations": None, "scans": None}
    assert desk.post("view", body).status_code == 200


def test_the_paged_request_is_412_without_our_keys(desk: Any, sample: Sample) -> None:
    answer = desk.post("orders", sample("hl7-cds-hooks/request-prefetch-with-pagination.json"))
    assert answer.status_code == 412


def test_the_paged_request_declares_the_page_it_could_not_read(desk: Any, sample: Sample) -> None:
    body = sample("hl7-cds-hooks/request-prefetch-with-pagination.json")
    orders = body["prefetch"]["orders"]
    orders["entry"][0]["resource"]["id"] = "rx-page-1-01"
    body["prefetch"] = {"patient": None, "observations": orders, "scans": None}
    assert desk.post("orders", body).status_code == 200
    assert desk.calls[0].unavailable == ("observations",)


def test_the_opioid_request_has_no_draft_orders_and_is_400(desk: Any, sample: Sample) -> None:
    body = sample("cds-hooks-docs/request-opioid-guideline-order-select-or-prescribe.json")
    answer = desk.post("orders", body)
    assert answer.status_code == 400
    assert "context.draftOrders" in answer.text


def test_the_radiology_request_is_412_and_answered_with_prefetch(desk: Any, sample: Sample) -> None:
    body = sample("cds-hooks-docs/request-radiology-appropriateness.json")
    assert desk.post("orders", body).status_code == 412
    body["prefetch"] = {"patient": None, "observations": None, "scans": None}
    assert desk.post("orders", body).status_code == 200
    assert desk.calls[0].selections == ("ServiceRequest/example-MRI-59879846",)


def test_the_order_sign_context_holds_two_orders_that_are_not_r4_and_both_are_named(
    desk: Any, sample: Sample
) -> None:
    context = sample("hl7-cds-hooks-library/context-order-sign-R4.json")["context"]
    body = desk.request("order-sign", context=context, prefetch={"patient": None, "observations": None})
    answer = desk.post("orders", body)
    assert answer.status_code == 400
    assert [path for issue in answer.json()["issue"] for path in issue["expression"]] == [
        "context.draftOrders.entry[0].resource.intent",
        "context.draftOrders.entry[1].resource.dosageInstruction[0].doseQuantity",
    ]


def test_the_order_sign_context_is_answered_once_its_orders_are_r4(desk: Any, sample: Sample) -> None:
    context = sample("hl7-cds-hooks-library/context-order-sign-R4.json")["context"]
    diet, drug = (entry["resource"] for entry in context["draftOrders"]["entry"])
    diet["intent"] = "order"
    dose = drug["dosageInstruction"][0]
    dose["doseAndRate"] = [{"doseQuantity": dose.pop("doseQuantity")}]
    body = desk.request("order-sign", context=context, prefetch={"patient": None, "observations": None})
    assert desk.post("orders", body).status_code == 200
    assert [draft["resourceType"] for draft in desk.calls[0].drafts] == [
        "NutritionOrder",
        "MedicationRequest",
    ]


@pytest.mark.parametrize("hook", ["medication-refill", "problem-list-item-create"])
def test_hooks_that_no_service_answers_are_400(desk: Any, sample: Sample, hook: str) -> None:
    context = sample(f"hl7-cds-hooks-library/context-{hook}-R4.json")["context"]
    assert desk.post("orders", desk.request(hook, context=context)).status_code == 400


def test_snipped_prefetch_data_is_400_because_its_resources_are_not_valid(desk: Any, sample: Sample) -> None:
    prefetch = sample("hl7-cds-hooks/prefetch-data.json")["prefetch"]
    body = desk.request(prefetch={"patient": prefetch["patient"], "observations": prefetch["hemoglobin-a1c"]})
    answer = desk.post("view", body)
    assert answer.status_code == 400
    assert "prefetch.patient" in answer.text
    assert "prefetch.observations.entry[0].resource" in answer.text


@pytest.mark.parametrize("name", ["feedback-accepted", "feedback-overridden-with-reason"])
def test_feedback_is_taken_in(desk: Any, sample: Sample, name: str) -> None:
    assert desk.post("view/feedback", sample(f"hl7-cds-hooks/{name}.json")).status_code == 200
    assert len(desk.feedback) == 1


def test_the_published_override_reasons_and_full_cards_are_cards_of_ours(sample: Sample) -> None:
    TypeAdapter(list[OverrideReason]).validate_python(
        sample("hl7-cds-hooks/card-override-reasons.json")["overrideReasons"]
    )
    for card in sample("hl7-cds-hooks/response-cards-1.json")["cards"]:
        Card.model_validate(card)


def test_the_published_card_without_an_indicator_could_not_be_made_here(sample: Sample) -> None:
    [card] = sample("hl7-cds-hooks/response-cards-2.json")["cards"]
    with pytest.raises(ValidationError):
        Card.model_validate(card)


def test_a_call_posted_to_feedback_is_400(desk: Any, sample: Sample) -> None:
    assert desk.post("view/feedback", sample("hl7-cds-hooks/request-patient-view.json")).status_code == 400
    assert FeedbackBatch.model_validate(sample("hl7-cds-hooks/feedback-accepted.json")).feedback
