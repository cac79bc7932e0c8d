"""The intake form of the patient demo-11 as a browser without a script fills and sends it."""

from __future__ import annotations

from typing import Any

import httpx

from worklist_page import Element, read

PAGE = "/worklist/Patient/demo-11/intake"
Json = dict[str, Any]


def shown(client: Any, path: str = PAGE) -> tuple[Element, str]:
    """The page and the cookie that came with it."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return read(answer.text), answer.headers["set-cookie"].partition(";")[0]


def values(page: Element) -> dict[str, str]:
    """What a browser would send of the form as it is."""
    form = page.one("form", class_="intake")
    sent: dict[str, str] = {}
    for field in form.all("input"):
        kind = field.attributes.get("type", "text")
        if kind not in ("radio", "checkbox") or "checked" in field.attributes:
            sent[field.attributes["name"]] = field.attributes.get("value", "on")
    for field in form.all("select"):
        chosen = [o for o in field.all("option") if "selected" in o.attributes] or field.all("option")
        sent[field.attributes["name"]] = chosen[0].attributes["value"]
    return sent


def send(client: Any, page: Element, cookie: str, typed: Json, path: str = PAGE) -> httpx.Response:
    sent: httpx.Response = client.post(path, data=values(page) | typed, headers={"cookie": cookie})
    return sent


def standing(client: Any, title: str) -> str:
    """How an option stands on the patient's page."""
    page = read(client.get("/worklist/Patient/demo-11").text)
    card = next(a for a in page.one("div", class_="options").all("article") if title in a.one("h3").text)
    return card.one("span", class_="standing").text
