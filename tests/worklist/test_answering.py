"""Alerts are answered on the patient's page: acknowledged, or overridden with a reason; no forged form."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import Response

from served import eventually
from worklist.csrf import Csrf
from worklist_page import Element, read

PAGE = "/worklist/Patient/demo-11"
Json = dict[str, Any]


def shown(client: Any) -> tuple[Element, str]:
    """The patient's page and the cookie that came with it."""
    answer = client.get(PAGE)
    return read(answer.text), answer.headers["set-cookie"].partition(";")[0]


def alerts(client: Any) -> list[Json]:
    found = client.get("/alerts/fhir/DetectedIssue?patient=demo-11&_sort=_id").json()
    return [entry["resource"] for entry in found["entry"]]


def fields(form: Element, **typed: str) -> dict[str, str]:
    hidden = {i.attributes["name"]: i.attributes["value"] for i in form.all("input", type="hidden")}
    return hidden | typed


def send(
    client: Any, form: Element, cookie: str, headers: Json | None = None, **typed: str
) -> httpx.Response:
    address = f"/worklist/Patient/{form.attributes['action']}"
    sent: httpx.Response = client.post(
        address, data=fields(form, **typed), headers={"cookie": cookie} | (headers or {})
    )
    return sent


def test_an_override_with_its_reason_is_kept_shown_and_audited(one_patient: Any) -> None:
    *others, alert = alerts(one_patient)
    page, cookie = shown(one_patient)
    article = page.one("article", id=f"alert-{alert['id']}")
    form = article.one("form", class_="stacked")
    answer = send(
        one_patient, form, cookie, outcome="overridden", reason="risk-benefit-ratio", comment="<b>oedema</b>"
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"../../demo-11?answered={alert['id']}#alert-{alert['id']}"
    page = read(one_patient.get(f"{PAGE}?answered={alert['id']}").text)
    assert "Your answer is kept" in page.one("p", role="status").text
    article = page.one("article", id=f"alert-{alert['id']}")
    assert "answered" in article.attributes["class"].split()
    assert "Overridden (worklist): Risk outweighs benefit: <b>oedema</b>" in article.text
    kept = one_patient.get(f"/alerts/fhir/DetectedIssue/{alert['id']}").json()
    assert kept["mitigation"][-1]["action"]["coding"][0]["code"] == "risk-benefit-ratio"
    assert alerts(one_patient)[:-1] == others
    audited = "/alerts/fhir/AuditEvent?patient=demo-11&subtype=operation"
    assert eventually(lambda: one_patient.get(audited).json().get("entry"))


def test_an_acknowledgement_needs_no_reason_an_override_does_and_neither_answers_what_was_not_seen(
    one_patient: Any,
) -> None:
    (alert, *_) = alerts(one_patient)
    page, cookie = shown(one_patient)
    acknowledge, override = page.one("article", id=f"alert-{alert['id']}").all("form")
    refused = send(one_patient, override, cookie, outcome="overridden", reason="because")
    assert refused.status_code == 422
    assert "needs its reason" in refused.text
    assert send(one_patient, acknowledge, cookie, outcome="shrug").status_code == 422
    assert alerts(one_patient)[0] == alert
    assert send(one_patient, acknowledge, cookie, outcome="acknowledged").status_code == 303
    assert "Acknowledged (worklist)" in shown(one_patient)[0].one("article", id=f"alert-{alert['id']}").text
    again = send(one_patient, acknowledge, cookie, outcome="acknowledged")
    assert again.status_code == 409
    assert "Read it again first" in again.text


def test_a_form_that_another_site_sent_is_not_taken(one_patient: Any) -> None:
    (alert, *_) = alerts(one_patient)
    page, cookie = shown(one_patient)
    form = page.one("article", id=f"alert-{alert['id']}").all("form")[0]
    other = "isodose-form=" + "A" * 43
    for headers, held, typed in (
        ({}, "", {}),
        ({}, other, {}),
        ({}, cookie, {"token": ""}),
        ({}, cookie, {"token": "A" * 43}),
        ({}, "isodose-form=", {"token": ""}),
        ({"sec-fetch-site": "cross-site"}, cookie, {}),
        ({"sec-fetch-site": "same-site"}, cookie, {}),
        ({"content-type": "application/json"}, cookie, {}),
    ):
        answer = send(one_patient, form, held, headers, outcome="acknowledged", **typed)
        assert answer.status_code == 403, (headers, held, typed)
    assert alerts(one_patient)[0] == alert


def test_an_alert_of_another_patient_is_not_answered_here(one_patient: Any) -> None:
    (alert, *_) = alerts(one_patient)
    page, cookie = shown(one_patient)
    form = page.one("article", id=f"alert-{alert['id']}").all("form")[0]
    form.attributes["action"] = f"somebody-else/alert/{alert['id']}"
    assert send(one_patient, form, cookie, outcome="acknowledged").status_code == 404
    assert alerts(one_patient)[0] == alert


@pytest.mark.parametrize(
    ("secure", "named"), [(True, "__Host-isodose-form=x; "), (False, "isodose-form=x; ")]
)
def test_the_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts(secure: bool, named: str) -> None:
    response = Response()
    Csrf(secure).give(response, "x")
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(named)
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert ("Secure" in cookie.split("; ")) is secure
