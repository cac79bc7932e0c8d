"""Notifications and answers about a subscription, as Bundles of the R5 backport.

https://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription-notification-r4.html
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ehr_ingestion.backport import Kind, structure
from ehr_ingestion.subscribers.registry import Event, Key, Subscriber
from isodose.fhir.resources import instant
from isodose.fhir.stored import Stored

Json = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """How much is told, as empty, id-only or full-resource, and of which resources: those that the asker may
    see. No other is named.
    """

    content: str = "empty"
    resources: Mapping[Key, Stored] = field(default_factory=dict)


NOTHING = Shown()


def notification(
    one: Subscriber,
    kind: Kind,
    base: str,
    events: Sequence[Event] = (),
    shown: Shown = NOTHING,
) -> bytes:
    """The Bundle, with no more than is `shown`."""
    status = {
        "fullUrl": f"urn:uuid:{uuid.uuid4()}",
        "resource": status_of(one, kind, base, events, shown),
        "request": {"method": "GET", "url": f"{base}/Subscription/{one.id}/$status"},
        "response": {"status": "200"},
    }
    entries: list[Json] = [status]
    if shown.content == "full-resource":
        named = dict.fromkeys(key for event in events for key in (event.focus, *event.context))
        entries += [_entry(shown.resources[key], base) for key in named if key in shown.resources]
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [structure("subscription-notification-r4")]},
        "type": "history",
        "timestamp": instant(dt.datetime.now(dt.UTC)),
        "entry": entries,
    }
    return msgspec.json.encode(bundle)


def status_of(
    one: Subscriber,
    kind: Kind,
    base: str,
    events: Sequence[Event] = (),
    shown: Shown = NOTHING,
) -> Json:
    """The status of a subscription as Parameters, with its events."""
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{one.id}"}},
        *(
            [{"name": "topic", "valueCanonical": one.asked.topic}]
            if one.asked.topic and shown.content != "empty"
            else []
        ),
        {"name": "status", "valueCode": one.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(one.last)},
        *(_event(event, base, shown) for event in events),
    ]
    return {
        "resourceType": "Parameters",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [structure("subscription-status-r4")]},
        "parameter": parameters,
    }


def _event(event: Event, base: str, shown: Shown) -> Json:
    parts: list[Json] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.at)},
    ]
    if shown.content != "empty":
        named = [("focus", event.focus), *(("additional-context", key) for key in event.context)]
        parts += [
            {"name": name, "valueReference": {"reference": f"{base}/{key[0]}/{key[1]}"}}
            for name, key in named
            if key in shown.resources
        ]
    return {"name": "notification-event", "part": parts}


def _entry(stored: Stored, base: str) -> Json:
    url = f"{base}/{stored.reference}"
    made = stored.version == 1
    request = {"method": "POST", "url": stored.type} if made else {"method": "PUT", "url": stored.reference}
    return {
        "fullUrl": url,
        "resource": msgspec.Raw(stored.body),
        "request": request,
        "response": {"status": "201" if made else "200"},
    }
