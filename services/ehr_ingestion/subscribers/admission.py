"""A Subscription that comes in is judged, registered with the rights of who asks, and stored without its
secrets.
"""

from __future__ import annotations

from dataclasses import replace

from ehr_ingestion.subscribers import registry
from ehr_ingestion.subscribers.asking import (
    Asked,
    Json,
    name_of,
    origin_of,
    read,
    refuse_others,
    refuse_unanswerable,
)
from ehr_ingestion.subscribers.registry import NOTIFY
from ehr_ingestion.subscribers.sealing import SealedError, Sealing, sealing_of
from ehr_ingestion.subscribers.topic import topic_url
from isodose.events.jobs import ask, drop
from isodose.fhir.access import EVERYTHING, Access
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.reading import Reading
from isodose.fhir.resources import dump, resource_of
from isodose.fhir.store import Admission, Change, ResourceStore
from isodose.settings import Settings

HIDDEN = "********"


def admission(settings: Settings) -> Admission:
    """What is done with every write of a Subscription, before it is stored."""
    topic, origins = topic_url(settings.canonical_base), settings.subscriber_origins
    sealing = sealing_of(settings)

    def admit(store: ResourceStore, change: Change, access: Access | None) -> Change:
        conn = store.conn
        if change.content is None:
            registry.remove(conn, change.id)
            drop(conn, NOTIFY, change.id)
            return change
        data = change.content.data
        before, whose = registry.get(conn, change.id), _whose(store, change)
        asked = read(data, topic, origins)
        refuse_unanswerable(asked, Reading(conn, store.base))
        known = _known(sealing, before.asked, asked) if before is not None else {}
        asked = replace(asked, headers=_whole(asked, known))
        if whose is not None:
            refuse_others(asked, whose, store.base)
            access = (access or EVERYTHING).within(whose)
        status = "off" if data["status"] == "off" else "requested"
        registry.put(conn, change.id, sealing.sealed(asked), access, status)
        if status == "off":
            drop(conn, NOTIFY, change.id)
        else:
            ask(conn, NOTIFY, change.id)
        stored = shown(data, status)
        return replace(change, content=resource_of(stored, dump(stored)))

    return admit


def _whose(store: ResourceStore, change: Change) -> str | None:
    """The patient whose Subscription this is: whose token asks for it, or asked for it first."""
    held = Reading(store.conn, store.base).get(change.type, change.id)
    return change.patient_id or (held.patient_id if held is not None and not held.deleted else None)


def shown(subscription: Json, status: str, error: str = "") -> Json:
    """The Subscription as everybody may read it: with this status, and the names of its headers alone."""
    kept = {name: value for name, value in subscription.items() if name != "error"}
    channel = dict(kept["channel"])
    if channel.get("header"):
        channel["header"] = [f"{name_of(header)}: {HIDDEN}" for header in channel["header"]]
    return kept | {"status": status, "channel": channel} | ({"error": error} if error else {})


def _known(sealing: Sealing, before: Asked, asked: Asked) -> dict[str, str]:
    """The headers that were given before for the same origin, by name."""
    if origin_of(before.endpoint) != origin_of(asked.endpoint):
        return {}
    try:
        return {name_of(header): header for header in sealing.opened(before)}
    except SealedError:
        return {}


def _whole(asked: Asked, known: dict[str, str]) -> tuple[str, ...]:
    """The headers of what is asked; one that came back as it was shown keeps the value that it had."""
    headers = []
    for header in asked.headers:
        name = name_of(header)
        if not header.endswith(f": {HIDDEN}"):
            headers.append(header)
        elif name in known:
            headers.append(known[name])
        else:
            said = "The value of this header is hidden here; send the header whole."
            raise FhirError(422, [Issue("value", said, ("Subscription.channel.header",))])
    return tuple(headers)
