"""The EHR's FHIR server is asked with the call's token, and nobody else ever sees that token."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from isodose.cds_hooks.ehr import EhrServers
from isodose.cds_hooks.prefetch import EhrUnavailableError

BASE = "https://ehr.example/fhir"
Answer = Callable[[httpx.Request], httpx.Response]


def ask(answer: Answer, query: str = "Observation?patient=p1", base: str = BASE) -> list[dict[str, Any]]:
    return EhrServers([BASE + "/"], httpx.MockTransport(answer)).fetch(base, query, "secret", 1.0)


def page(number: int, following: str | None = None) -> httpx.Response:
    link = [{"relation": "next", "url": following}] if following else []
    entry = [{"resource": {"resourceType": "Observation", "id": f"o{number}"}}]
    return httpx.Response(
        200, json={"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry}
    )


def test_a_read_gives_its_resource_and_sends_the_token() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), request.headers["authorization"]))
        return httpx.Response(200, json={"resourceType": "Patient", "id": "p1"})

    assert ask(answer, "Patient/p1") == [{"resourceType": "Patient", "id": "p1"}]
    assert seen == [("https://ehr.example/fhir/Patient/p1", "Bearer secret")]


@pytest.mark.parametrize("following", [f"{BASE}?page=2", f"{BASE}/Observation?page=2", "Observation?page=2"])
def test_every_page_of_a_search_is_read(following: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return page(2) if "page=2" in str(request.url) else page(1, following)

    assert [resource["id"] for resource in ask(answer)] == ["o1", "o2"]


@pytest.mark.parametrize(
    "base", ["https://evil.example/fhir", "https://ehr.example", "http://ehr.example/fhir"]
)
def test_a_server_that_is_not_listed_is_not_asked(base: str) -> None:
    def never(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("asked")

    with pytest.raises(EhrUnavailableError, match="not on the list"):
        ask(never, base=base)


@pytest.mark.parametrize(
    "following",
    ["https://evil.example/fhir/Observation?page=2", "https://ehr.example.evil/fhir/x", "//evil.example/x"],
)
def test_a_next_page_elsewhere_is_not_followed(following: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "ehr.example"
        return page(1, following)

    with pytest.raises(EhrUnavailableError, match="outside"):
        ask(answer)


def test_a_query_cannot_leave_the_server() -> None:
    with pytest.raises(EhrUnavailableError, match="outside"):
        ask(lambda _request: page(1), "https://evil.example/x")


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(EhrUnavailableError, match="answered 302"):
        ask(lambda _request: httpx.Response(302, headers={"location": "https://evil.example/"}))


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (httpx.Response(401), "answered 401"),
        (httpx.Response(500), "answered 500"),
        (httpx.Response(200, content=b"<html>"), "something other than FHIR"),
        (httpx.Response(200, json=[]), "something other than FHIR"),
        (httpx.Response(200, json={"resourceType": "OperationOutcome"}), "an error instead of the data"),
    ],
)
def test_whatever_is_not_the_data_is_unavailable_and_says_why(response: httpx.Response, why: str) -> None:
    with pytest.raises(EhrUnavailableError, match=why) as error:
        ask(lambda _request: response)
    assert "secret" not in str(error.value)
    assert "p1" not in str(error.value)


def test_endless_pages_end_with_the_deadline_or_the_limit() -> None:
    def slow(_request: httpx.Request) -> httpx.Response:
        time.sleep(0.3)
        return page(1, f"{BASE}/Observation?page=again")

    started = time.monotonic()
    with pytest.raises(EhrUnavailableError, match="in time"):
        ask(slow)
    assert time.monotonic() - started < 2
    with pytest.raises(EhrUnavailableError, match="more pages"):
        ask(lambda _request: page(1, f"{BASE}/Observation?page=again"))
