"""Somebody who subscribes: what they ask for, and an endpoint that takes or refuses as a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson

Json = dict[str, Any]
BASE = "https://isodose.example/fhir"
TOPIC = f"{BASE}/SubscriptionTopic/new-guidance"
HOOK = "https://hooks.example/told"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"


class Hook(httpx.BaseTransport):
    """The endpoint of a subscriber: `told` what came, `status` what it answers, `before_answering` what
    happens meanwhile, once.
    """

    def __init__(self) -> None:
        self.told: list[httpx.Request] = []
        self.status = 200
        self.before_answering: Callable[[], object] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.told.append(request)
        then, self.before_answering = self.before_answering, lambda: None
        then()
        if not self.status:
            raise httpx.ConnectError("away")
        return httpx.Response(self.status, headers={"location": "https://elsewhere.example/"})

    def bundles(self, kind: str) -> list[Json]:
        found = [orjson.loads(request.content) for request in self.told if request.content]
        return [one for one in found if kind_of(one) == kind]

    def numbers(self) -> list[int]:
        parts = [parts for one in self.bundles("event-notification") for parts in events(one)]
        return [int(part["event-number"]) for part in parts]


def parameters(bundle: Json) -> list[Json]:
    found: list[Json] = bundle["entry"][0]["resource"]["parameter"]
    return found


def kind_of(bundle: Json) -> str:
    if bundle["resourceType"] != "Bundle":
        return "resource"
    return next(p["valueCode"] for p in parameters(bundle) if p["name"] == "type")


def events(bundle: Json) -> list[dict[str, Any]]:
    found = []
    for parameter in parameters(bundle):
        if parameter["name"] == "notification-event":
            parts: dict[str, Any] = {"context": []}
            for part in parameter["part"]:
                value = (
                    part.get("valueString") or part.get("valueInstant") or part["valueReference"]["reference"]
                )
                if part["name"] == "additional-context":
                    parts["context"].append(value)
                else:
                    parts[part["name"]] = value
            found.append(parts)
    return found


def topical(content: str = "id-only", *filters: str, **more: Any) -> Json:
    extension = [{"url": f"{BACKPORT}-{name}", **value} for name, value in more.pop("extension", {}).items()]
    channel = {
        "type": "rest-hook",
        "endpoint": HOOK,
        "header": ["Authorization: Bearer very-secret"],
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}-payload-content", "valueCode": content}]},
        **({"extension": extension} if extension else {}),
    }
    made: Json = {
        "resourceType": "Subscription",
        "id": "s1",
        "status": "requested",
        "reason": "to know",
        "criteria": TOPIC,
        "channel": channel,
    }
    if filters:
        listed = [{"url": f"{BACKPORT}-filter-criteria", "valueString": one} for one in filters]
        made["_criteria"] = {"extension": listed}
    return made | more


def plain(criteria: str, payload: str | None = None, **more: Any) -> Json:
    channel = {"type": "rest-hook", "endpoint": HOOK, **({"payload": payload} if payload else {})}
    return {
        "resourceType": "Subscription", "id": "s1", "status": "requested", "reason": "to know",
        "criteria": criteria, "channel": channel, **more,
    }  # fmt: skip


def issue(key: str = "a1", patient: str = "p1", severity: str = "high", **more: Any) -> Json:
    return {
        "resourceType": "DetectedIssue",
        "id": key,
        "identifier": [{"system": f"{BASE}/NamingSystem/result", "value": key}],
        "status": "final",
        "severity": severity,
        "patient": {"reference": f"Patient/{patient}"},
        **more,
    }


def subscribed(client: Any, subscription: Json, serving: Any, status: str = "active") -> None:
    assert client.put("/fhir/Subscription/s1", json=subscription).status_code in (200, 201)
    serving.eventually(lambda: client.get("/fhir/Subscription/s1").json()["status"] == status)
