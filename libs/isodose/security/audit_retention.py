"""Takes the oldest audit events out, in such a way that the chain still shows any other removal.

The last event that is taken out is told by an event of its own at the end of the chain: its place, and its
digest, from which the rest of the chain follows. https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, select

from isodose.fhir.resources import instant
from isodose.security.audit import START, TAKEN_OUT, Place, append
from isodose.storage.tables import audit_event, audit_patient

_SEQ, _DIGEST = "seq", "digest"


def beginning(conn: Connection) -> Place:
    """The place after which the chain begins: where the last events were taken out, or its very start."""
    told = conn.execute(
        select(audit_event.c.body)
        .where(audit_event.c.subtype == TAKEN_OUT)
        .order_by(audit_event.c.seq.desc())
        .limit(1)
    ).scalar()
    if told is None:
        return START
    (entity,) = orjson.loads(told)["entity"]
    said = {detail["type"]: detail["valueString"] for detail in entity["detail"]}
    return Place(int(said[_SEQ]), said[_DIGEST])


def take_out(
    conn: Connection,
    before: dt.datetime,
    *,
    site: str,
    key: bytes | None,
    canonical: str,
    now: dt.datetime,
) -> int:
    """Take out the events recorded before that time, up to the first that is not, and return how many."""
    column = audit_event.c
    kept = conn.execute(select(func.min(column.seq)).where(column.recorded >= instant(before))).scalar()
    last = select(column.seq, column.digest).order_by(column.seq.desc()).limit(1)
    place = conn.execute(last if kept is None else last.where(column.seq < kept)).first()
    if place is None:
        return 0
    append(conn, [(_told(Place(place.seq, place.digest), site, canonical, now), ())], key)
    conn.execute(delete(audit_patient).where(audit_patient.c.seq <= place.seq))
    return conn.execute(delete(audit_event).where(column.seq <= place.seq)).rowcount


def _told(place: Place, site: str, canonical: str, now: dt.datetime) -> dict[str, Any]:
    recorded = instant(now)
    detail = [
        {"type": _SEQ, "valueString": str(place.seq)},
        {"type": _DIGEST, "valueString": place.digest},
    ]
    return {
        "resourceType": "AuditEvent",
        "id": str(uuid.uuid4()),
        "meta": {"lastUpdated": recorded},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": f"{canonical}/CodeSystem/audit", "code": TAKEN_OUT}],
        "action": "D",
        "recorded": recorded,
        "outcome": "0",
        "agent": [{"name": "isodose retire-audit", "requestor": True}],
        "source": {"site": site, "observer": {"display": f"Isodose {site}"}},
        "entity": [{"name": "the last event that was taken out", "detail": detail}],
    }
