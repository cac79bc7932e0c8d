"""What a notification says: nothing but that something changed, a resource, or a Bundle of the R5 backport.

https://hl7.org/fhir/R4/subscription.html#2.46.7.1
https://hl7.org/fhir/uv/subscriptions-backport/notifications.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from ehr_ingestion.backport import KINDS, Kind
from isodose.fhir.errors import bad_request
from isodose.fhir.references import target
from isodose.fhir.resources import is_id, parse

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Notification:
    """`numbers` are those of its events, `total` how many there were so far. `blind` tells that something
    changed which it does not name.
    """

    kind: Kind | Literal["r4"]
    status: str = ""
    total: int | None = None
    numbers: tuple[int, ...] = ()
    resources: tuple[bytes, ...] = ()
    named: tuple[Key, ...] = ()
    deleted: tuple[Key, ...] = ()
    blind: bool = False


@dataclass
class _Gathered:
    """What the entries and events of one Bundle hold, each resource once."""

    resources: list[bytes] = field(default_factory=list)
    brought: set[Key] = field(default_factory=set)
    named: dict[Key, None] = field(default_factory=dict)
    deleted: dict[Key, None] = field(default_factory=dict)


class _Request(msgspec.Struct, frozen=True):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct, rename="camel"):
    full_url: str = ""
    request: _Request = _Request()
    resource: msgspec.Raw = msgspec.Raw(b"null")


class _Bundle(msgspec.Struct, rename="camel"):
    type: str = ""
    entry: list[_Entry] = []


def read(body: bytes, base: str, max_bytes: int) -> Notification:
    """What the body of a call says; `base` is the EHR's FHIR server. Raises FhirError (400, 413)."""
    if not body.strip():
        return Notification(kind="r4", blind=True)
    resource = parse(body, max_bytes)
    if resource.type != "Bundle":
        return Notification(kind="r4", resources=(body,))
    try:
        bundle = msgspec.json.decode(body, type=_Bundle)
    except msgspec.ValidationError:
        raise bad_request("The Bundle cannot be read: an entry has not its shape.", "Bundle.entry") from None
    entries = resource.data.get("entry") or []
    first = entries[0].get("resource") if entries and isinstance(entries[0], dict) else None
    status = _status(first) if isinstance(first, dict) else None
    gathered = _entries(bundle.entry[1:] if status else bundle.entry, base)
    if status is None:
        return Notification(
            kind="r4",
            resources=tuple(gathered.resources),
            named=tuple(gathered.named),
            deleted=tuple(gathered.deleted),
        )
    return _topical(status, gathered, base)


def _topical(status: dict[str, Any], gathered: _Gathered, base: str) -> Notification:
    kind = status.get("type")
    if kind not in KINDS:
        raise bad_request("The notification does not say of which type it is.", "Bundle.entry[0].resource")
    events: list[dict[str, Any]] = status["events"]
    focuses = [target(str(event.get("focus") or ""), base) for event in events]
    known = gathered.brought | gathered.deleted.keys()
    named = dict.fromkeys([*(key for key in focuses if key and key not in known), *gathered.named])
    counted = kind in ("event-notification", "query-event")
    return Notification(
        kind=kind,
        status=str(status.get("status") or ""),
        total=_number(status.get("total")),
        numbers=tuple(n for n in (_number(event.get("number")) for event in events) if n is not None),
        resources=tuple(gathered.resources),
        named=tuple(named),
        deleted=tuple(gathered.deleted),
        blind=counted and not (gathered.brought or gathered.deleted or named),
    )


def _entries(entries: list[_Entry], base: str) -> _Gathered:
    gathered = _Gathered()
    for entry in entries:
        raw = bytes(entry.resource)
        key = target(entry.request.url, base) or target(entry.full_url, base)
        if raw != b"null":
            one = parse(raw)
            gathered.resources.append(raw)
            if one.id is not None:
                gathered.brought.add((one.type, one.id))
        elif key is not None and entry.request.method == "DELETE":
            gathered.deleted[key] = None
        elif key is not None and is_id(key[1]):
            gathered.named[key] = None
    return gathered


def _status(resource: dict[str, Any]) -> dict[str, Any] | None:
    """The status that stands first in a notification: Parameters in R4, SubscriptionStatus in R4B."""
    if resource.get("resourceType") == "SubscriptionStatus":
        return {
            "type": resource.get("type"),
            "status": resource.get("status"),
            "total": resource.get("eventsSinceSubscriptionStart"),
            "events": [
                {"number": one.get("eventNumber"), "focus": (one.get("focus") or {}).get("reference")}
                for one in resource.get("notificationEvent") or []
            ],
        }
    if resource.get("resourceType") != "Parameters":
        return None
    parameters = [one for one in resource.get("parameter") or [] if isinstance(one, dict)]
    named = {str(one.get("name")): _value(one) for one in parameters}
    if not {"subscription", "type"} <= named.keys():
        return None
    events = [
        {str(part.get("name")): _value(part) for part in one.get("part") or [] if isinstance(part, dict)}
        for one in parameters
        if one.get("name") == "notification-event"
    ]
    return {
        "type": named["type"],
        "status": named.get("status"),
        "total": named.get("events-since-subscription-start"),
        "events": [{"number": e.get("event-number"), "focus": e.get("focus")} for e in events],
    }


def _value(parameter: dict[str, Any]) -> Any:
    """The value of a parameter; of a Reference what it points to."""
    found = next((value for name, value in parameter.items() if name.startswith("value")), None)
    return found.get("reference") if isinstance(found, dict) else found


def _number(value: object) -> int | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
