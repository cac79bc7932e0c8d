"""The AuditEvents of this service, to read and search; isodose.security.audit alone writes them.

https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec
from sqlalchemy import ColumnElement, func, or_, select

from isodose.fhir import errors
from isodose.fhir.access import APART
from isodose.fhir.criteria import split_prefix, token_parts, unescape, unknown
from isodose.fhir.dates import bounds
from isodose.fhir.reading import Reading
from isodose.fhir.references import target
from isodose.fhir.resources import instant
from isodose.fhir.search_query import DEFAULT_COUNT, MAX_COUNT, SHAPING, whole
from isodose.storage.tables import audit_event, audit_patient

Condition = ColumnElement[bool]
PARAMETERS = {
    "action": "token",
    "agent": "reference",
    "date": "date",
    "outcome": "token",
    "patient": "reference",
    "subtype": "token",
}
_COLUMNS = {
    "action": audit_event.c.action,
    "outcome": audit_event.c.outcome,
    "subtype": audit_event.c.subtype,
}


def read(store: Reading, id: str) -> bytes:
    """One AuditEvent; raises 404."""
    body = store.conn.execute(select(audit_event.c.body).where(audit_event.c.id == id)).scalar_one_or_none()
    if body is None:
        raise errors.not_found("There is no AuditEvent with this id.", "AuditEvent.id")
    return str(body).encode()


def search(store: Reading, pairs: Iterable[tuple[str, str]], strict: bool = False) -> bytes:
    """A searchset Bundle, newest first."""
    conditions: list[Condition] = []
    used: list[tuple[str, str]] = []
    count, before = DEFAULT_COUNT, None
    for name, value in pairs:
        if name == "_count":
            count = min(whole(name, value), MAX_COUNT)
        elif name == "_cursor":
            before = whole(name, value)
        elif name in (*PARAMETERS, "_id"):
            conditions.append(or_(*(_fits(store, name, one) for one in value.split(",") if one)))
        elif name not in SHAPING and name != "_total":
            if strict:
                raise unknown(APART, name)
            continue
        if name != "_cursor":
            used.append((name, value))
    total = store.conn.execute(select(func.count()).select_from(audit_event).where(*conditions)).scalar_one()
    if before is not None:
        conditions.append(audit_event.c.seq < before)
    wanted = select(audit_event.c.seq, audit_event.c.id, audit_event.c.body).where(*conditions)
    rows = store.conn.execute(wanted.order_by(audit_event.c.seq.desc()).limit(count + 1)).all()
    following = str(rows[count - 1].seq) if count and len(rows) > count else ""
    links = [{"relation": "self", "url": _url(store.base, used, str(before or ""))}]
    if following:
        links.append({"relation": "next", "url": _url(store.base, used, following)})
    return _bundle(store.base, rows[:count], total, links)


def refuse_writing(kind: str) -> None:
    """Raise 405 for what only the server writes."""
    if kind == APART:
        raise errors.not_allowed("AuditEvents are written by the server alone, and never changed.")


def _bundle(base: str, rows: Iterable[Any], total: int, links: list[dict[str, str]]) -> bytes:
    entries = [
        {
            "fullUrl": f"{base}/AuditEvent/{row.id}",
            "resource": msgspec.Raw(row.body.encode()),
            "search": {"mode": "match"},
        }
        for row in rows
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
    return msgspec.json.encode({**bundle, "entry": entries} if entries else bundle)


def _fits(store: Reading, name: str, value: str) -> Condition:
    if name == "_id":
        return audit_event.c.id == value
    if name == "patient":
        found = target(unescape(value), store.base)
        key = found[1] if found else unescape(value)
        of_patient = select(audit_patient.c.seq).where(audit_patient.c.patient_id == key)
        return audit_event.c.seq.in_(of_patient)
    if name == "date":
        return _dated(value)
    if name == "agent":
        return audit_event.c.agent == unescape(value)
    _system, code = token_parts(value)
    return _COLUMNS[name] == code


def _dated(value: str) -> Condition:
    prefix, text = split_prefix(value)
    try:
        start, end = (instant(moment) for moment in bounds(text))
    except ValueError:
        raise errors.bad_request("date needs a date, such as ge2026-03-01.", code="value") from None
    column = audit_event.c.recorded
    conditions: dict[str, Condition] = {
        "ne": or_(column < start, column > end),
        "gt": column > end,
        "sa": column > end,
        "ge": column >= start,
        "lt": column < start,
        "eb": column < start,
        "le": column <= end,
    }
    return conditions.get(prefix, column.between(start, end))


def _url(base: str, used: list[tuple[str, str]], cursor: str) -> str:
    pairs = used + ([("_cursor", cursor)] if cursor else [])
    return f"{base}/AuditEvent" + (f"?{urlencode(pairs)}" if pairs else "")
