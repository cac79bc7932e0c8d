"""Somebody who subscribed to new guidance, and keeps what they were told and what they acknowledged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from chaos.moody import Answer, Moody, Request
from subscriber import events, kind_of, topical

SUBSCRIPTION = "s1"
_SECRET = "Bearer very-secret"


@dataclass(frozen=True)
class Told:
    """One event as it came. `heard`: it was acknowledged, as far as the one who does that can know."""

    number: int
    said: str
    heard: bool


class SubscriberEndpoint(Moody):
    """`told` has every event that came, as often as it came; `refused` what should not have come."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.told: list[Told] = []
        self.refused: list[str] = []
        super().__init__(host, port, seed)

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != _SECRET:
            self.refused.append("a notification without the header that was asked for")
            return Answer(401)
        bundle = orjson.loads(request.body)
        if kind_of(bundle) == "event-notification":
            self.told += [_told(event, request.heard) for event in events(bundle)]
        return Answer(200)

    def subscribe(self, service: str, headers: Mapping[str, str], seconds: float = 60) -> None:
        """Ask at the FHIR server of `service`; wait until the handshake was taken."""
        asked = topical()
        asked["channel"]["endpoint"] = f"{self.url}/told"
        url = f"{service}/fhir/Subscription/{SUBSCRIPTION}"
        with httpx.Client(headers={"content-type": "application/fhir+json", **headers}, timeout=20) as client:
            client.put(url, json=asked).raise_for_status()
            until = time.monotonic() + seconds
            while client.get(url).json()["status"] != "active":
                assert time.monotonic() < until, "the handshake was not taken"
                time.sleep(0.2)


def _told(event: dict[str, Any], heard: bool) -> Told:
    said = {name: value for name, value in event.items() if name != "event-number"}
    return Told(int(event["event-number"]), orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode(), heard)
