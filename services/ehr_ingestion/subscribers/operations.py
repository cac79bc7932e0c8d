"""`$status` and `$events`: how a subscription stands, and what it told of, for those who may read it.

https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-status.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from ehr_ingestion.backport import CONTENTS, operation
from ehr_ingestion.subscribers import registry
from ehr_ingestion.subscribers.notification import Shown, notification, status_of
from isodose.fhir.errors import bad_request, not_found
from isodose.fhir.interactions import Answer
from isodose.fhir.limited import within
from isodose.fhir.operations import Call, Operation
from isodose.service import Work

MOST_EVENTS = 500


def operations() -> tuple[Operation, ...]:
    status, events = operation("status"), operation("events")
    of = ("Subscription",)
    return (
        Operation(name="$status", handle=_status_of_one, level="instance", types=of, definition=status),
        Operation(name="$status", handle=_status, level="type", types=of, definition=status, judges=True),
        Operation(name="$events", handle=_events, level="instance", types=of, definition=events),
    )


def _status_of_one(work: Work, call: Call) -> Answer:
    return _statuses(work, [str(call.id)], ())


def _status(work: Work, call: Call) -> Answer:
    if call.access is not None:
        call.access.covering("r", "Subscription")
    wanted = _values(call, "id")
    seen = within(work.resources, call.access)
    known = [one.id for one in registry.all_of(work.conn)]
    found = seen.get_many(("Subscription", id) for id in known)
    ids = [id for _, id in sorted(found) if not wanted or id in wanted]
    return _statuses(work, ids, _values(call, "status"))


def _statuses(work: Work, ids: list[str], statuses: tuple[str, ...] | list[str]) -> Answer:
    base = work.resources.base
    entries = []
    for id in ids:
        one = registry.get(work.conn, id)
        if one is None or (statuses and one.status not in statuses):
            continue
        told = status_of(one, "query-status", base, shown=Shown("id-only"))
        entries.append({"fullUrl": f"urn:uuid:{told['id']}", "resource": told, "search": {"mode": "match"}})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return Answer(200, msgspec.json.encode({**bundle, "entry": entries} if entries else bundle))


def _events(work: Work, call: Call) -> Answer:
    one = registry.get(work.conn, str(call.id))
    if one is None:
        raise not_found("This Subscription tells nobody.")
    first = _number(call, "eventsSinceNumber", 1)
    last = min(_number(call, "eventsUntilNumber", one.last), one.last)
    content = next(iter(_values(call, "content")), one.asked.content)
    if content not in CONTENTS:
        raise bad_request(f"content is one of {', '.join(CONTENTS)}.", code="value")
    content = min(content, one.asked.content, key=CONTENTS.index)
    found = registry.events(work.conn, one.id, first, last, MOST_EVENTS)
    keys = {key for event in found for key in (event.focus, *event.context)}
    own = within(work.resources, one.access).get_many(keys)
    asker = within(work.resources, call.access).get_many(keys)
    shown = {key: stored for key, stored in own.items() if key in asker and not stored.deleted}
    if content != "empty":
        call.patients.extend(sorted({event.patient_id for event in found if event.focus in shown}))
    return Answer(200, notification(one, "query-event", work.resources.base, found, Shown(content, shown)))


def _number(call: Call, name: str, otherwise: int) -> int:
    given = next(iter(_values(call, name)), "")
    if not given:
        return otherwise
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise bad_request(f"{name} is the number of an event.", code="value")
    return int(given)


def _values(call: Call, name: str) -> list[str]:
    """The values of a parameter, from the query or from Parameters."""
    found = [value for value in call.query.get(name, "").split(",") if value]
    for parameter in (call.body.data.get("parameter") or []) if call.body is not None else []:
        if isinstance(parameter, dict) and parameter.get("name") == name:
            found += [str(value) for key, value in parameter.items() if key.startswith("value")]
    return found
