"""Who is told of what, with whose rights and how far; and the events that each is to be told of, numbered.

Headers are secrets: they are kept here, sealed where there is a key, never in the Subscription that can be
read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Row, case, delete, func, select, update

from ehr_ingestion.subscribers.asking import Asked
from isodose.fhir.access import Access, Grant
from isodose.storage.database import insert
from isodose.storage.tables import subscriber, subscriber_event

Key = tuple[str, str]
NOTIFY = "notify"
"""The kind of job that tells one of them."""


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """Who asked, what for, and how far they were told. `access` is what the asker might read (None:
    everything); `last` is the number of the newest event, `delivered` of the last one that was taken.
    """

    id: str
    asked: Asked = field(repr=False)
    access: Access | None = field(repr=False, default=None)
    status: str = "requested"
    last: int = 0
    delivered: int = 0
    told_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something new, by its number: what it is about, and what goes with it, as type and id."""

    number: int
    at: dt.datetime
    focus: Key
    context: tuple[Key, ...] = ()
    patient_id: str


def get(conn: Connection, id: str) -> Subscriber | None:
    row = conn.execute(select(subscriber).where(subscriber.c.id == id)).first()
    return None if row is None else _read(row)


def all_of(conn: Connection) -> list[Subscriber]:
    return [_read(row) for row in conn.execute(select(subscriber).order_by(subscriber.c.id))]


def listening(conn: Connection) -> list[Subscriber]:
    """Those for whom events are kept: also while their endpoint fails, so that they can be asked for
    later.
    """
    query = select(subscriber).where(subscriber.c.status != "off").order_by(subscriber.c.id)
    return [_read(row) for row in conn.execute(query)]


def put(conn: Connection, id: str, asked: Asked, access: Access | None, status: str) -> None:
    """Register what is asked for, anew or changed; the count of events goes on."""
    row = {
        "id": id, "asked": _packed(asked), "access": _grants(access), "status": status, "last": 0,
        "delivered": 0,
    }  # fmt: skip
    statement = insert(conn, subscriber).values(row)
    told = {name: statement.excluded[name] for name in ("asked", "access", "status")}
    conn.execute(statement.on_conflict_do_update(index_elements=["id"], set_=told))


def reseal(conn: Connection, seal: Callable[[Asked], Asked]) -> int:
    """Keep what each asked for as `seal` gives it back; how many differ."""
    changed = 0
    rows = conn.execute(select(subscriber).order_by(subscriber.c.id).with_for_update())
    for row in rows.all():
        asked = _read(row).asked
        sealed = seal(asked)
        if sealed != asked:
            values = {"asked": _packed(sealed)}
            conn.execute(update(subscriber).where(subscriber.c.id == row.id).values(values))
            changed += 1
    return changed


def remove(conn: Connection, id: str) -> None:
    conn.execute(delete(subscriber_event).where(subscriber_event.c.subscription_id == id))
    conn.execute(delete(subscriber).where(subscriber.c.id == id))


def set_status(conn: Connection, id: str, status: str) -> None:
    conn.execute(update(subscriber).where(subscriber.c.id == id).values(status=status))


def told(conn: Connection, id: str, delivered: int | None = None) -> None:
    """Somebody was told just now, of events up to `delivered`; who says so late takes nothing back."""
    values: dict[str, Any] = {"told_at": dt.datetime.now(dt.UTC)}
    if delivered is not None:
        known = subscriber.c.delivered
        values["delivered"] = case((known < delivered, delivered), else_=known)
    conn.execute(update(subscriber).where(subscriber.c.id == id).values(values))


def add_events(conn: Connection, id: str, events: Sequence[tuple[Key, Sequence[Key], str]]) -> None:
    """Number these events (focus, context, patient) and keep them; whoever adds next waits until commit."""
    moved = update(subscriber).where(subscriber.c.id == id).values(last=subscriber.c.last + len(events))
    last = conn.execute(moved.returning(subscriber.c.last)).scalar_one()
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            "subscription_id": id,
            "number": last - len(events) + place,
            "at": now,
            "focus": "/".join(focus),
            "context": orjson.dumps(["/".join(key) for key in context]).decode(),
            "patient_id": patient,
        }
        for place, (focus, context, patient) in enumerate(events, 1)
    ]
    conn.execute(insert(conn, subscriber_event).values(rows))


def events(conn: Connection, id: str, first: int, last: int, most: int) -> list[Event]:
    """The events numbered from `first` to `last`, the earliest `most` of them."""
    at = subscriber_event.c
    query = select(subscriber_event).where(at.subscription_id == id, at.number.between(first, last))
    return [_event(row) for row in conn.execute(query.order_by(at.number).limit(most))]


def forget_before(conn: Connection, when: dt.datetime) -> int:
    """Remove events that are older; how many."""
    return conn.execute(delete(subscriber_event).where(subscriber_event.c.at < when)).rowcount


def untold(conn: Connection) -> int:
    """How many events wait for somebody whose endpoint works."""
    active = subscriber.c.status.in_(("active", "requested"))
    query = select(func.coalesce(func.sum(subscriber.c.last - subscriber.c.delivered), 0)).where(active)
    return int(conn.execute(query).scalar_one())


def _packed(asked: Asked) -> str:
    fields = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    return orjson.dumps(fields).decode()


def _grants(access: Access | None) -> str:
    if access is None:
        return "null"
    return orjson.dumps([[g.type, g.rights, g.patient, g.query] for g in access.grants]).decode()


def _read(row: Row[Any]) -> Subscriber:
    asked = orjson.loads(row.asked)
    asked["criteria"] = tuple(asked["criteria"])
    asked["headers"] = asked["headers"] if isinstance(asked["headers"], str) else tuple(asked["headers"])
    asked["end"] = dt.datetime.fromisoformat(asked["end"]) if asked["end"] else None
    return Subscriber(
        id=row.id, asked=Asked(**asked), access=_access(orjson.loads(row.access)), status=row.status,
        last=row.last, delivered=row.delivered,
        told_at=row.told_at.replace(tzinfo=row.told_at.tzinfo or dt.UTC) if row.told_at else None,
    )  # fmt: skip


def _access(grants: Iterable[Any] | None) -> Access | None:
    if grants is None:
        return None
    return Access(
        tuple(
            Grant(kind, rights, patient, tuple((name, value) for name, value in query))
            for kind, rights, patient, query in grants
        )
    )


def _event(row: Row[Any]) -> Event:
    return Event(
        number=row.number,
        at=row.at.replace(tzinfo=row.at.tzinfo or dt.UTC),
        focus=_key(row.focus),
        context=tuple(map(_key, orjson.loads(row.context))),
        patient_id=row.patient_id,
    )


def _key(reference: str) -> Key:
    kind, _, id = reference.partition("/")
    return kind, id
