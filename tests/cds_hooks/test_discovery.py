"""Discovery lists every service, each as often as it has hooks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from isodose.cds_hooks import CdsService, discovery, discovery_router
from isodose.fhir.errors import FhirError


def test_discovery_lists_every_service_also_where_two_share_a_hook_or_an_id(desk: Any) -> None:
    answer = desk.get("/cds-services")
    assert answer.status_code == 200
    listed = [(entry["id"], entry["hook"]) for entry in answer.json()["services"]]
    assert listed == [
        ("view", "patient-view"),
        ("other", "patient-view"),
        ("orders", "order-sign"),
        ("orders", "order-select"),
        ("booking", "appointment-book"),
    ]


def test_each_entry_has_what_the_specification_requires_and_nothing_empty(desk: Any) -> None:
    for entry in desk.get("/cds-services").json()["services"]:
        assert {"hook", "id", "title", "description"} <= entry.keys()
        assert all(entry.values())
    booking = desk.get("/cds-services").json()["services"][-1]
    assert "prefetch" not in booking


def test_templates_name_only_context_tokens(desk: Any) -> None:
    for entry in desk.get("/cds-services").json()["services"]:
        for template in entry.get("prefetch", {}).values():
            for token in re.findall(r"{{(.*?)}}", template):
                assert re.fullmatch(r"context\.(patientId|userId|encounterId)", token)


def test_no_services_is_an_empty_list() -> None:
    assert discovery([]) == {"services": []}


def test_two_services_may_not_claim_one_id_on_one_hook() -> None:
    twin = CdsService("a", "patient-view", "A", "a", {}, lambda _call: [])
    with pytest.raises(ValueError, match="two CDS services are called a on patient-view"):
        discovery([twin, twin])


def merged_from(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Response:
    app = FastAPI()
    app.include_router(
        discovery_router(["http://eligibility", "http://alerts/"], httpx.MockTransport(answer))
    )

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.get("/cds-services")

    return asyncio.run(ask())


def test_discovery_of_services_that_run_apart_is_merged() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"services": [{"id": request.url.host, "hook": "patient-view"}]})

    assert [entry["id"] for entry in merged_from(answer).json()["services"]] == ["eligibility", "alerts"]


def test_a_service_that_does_not_answer_is_not_left_out_in_silence() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503 if request.url.host == "alerts" else 200, json={"services": []})

    with pytest.raises(FhirError) as refused:
        merged_from(answer)
    assert refused.value.status == 503
    assert "http://alerts" in str(refused.value)
