"""The Subscriptions that Isodose has at the EHR, and what came of each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, select, update

from ehr_ingestion.notifications.numbers import Numbers
from isodose.storage.database import insert
from isodose.storage.tables import ehr_subscription


@dataclass(frozen=True, kw_only=True)
class EhrSubscription:
    """One of ours. `reference` is its address at the EHR as Subscription/id, empty where somebody else made
    it there. `topic` is empty where `criteria` is a search of R4; `content` is empty, id-only or
    full-resource.
    """

    name: str
    criteria: str
    topic: str = ""
    content: str = "id-only"
    reference: str = ""
    status: str = "requested"
    created_at: dt.datetime
    heard_at: dt.datetime | None = None
    swept_at: dt.datetime | None = None
    numbers: Numbers = field(default_factory=Numbers)
    gaps: int = 0
    taken: int = 0
    refused: int = 0


def get(conn: Connection, name: str, lock: bool = False) -> EhrSubscription | None:
    query = select(ehr_subscription).where(ehr_subscription.c.name == name)
    row = conn.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _read(row)


def listed(conn: Connection) -> list[EhrSubscription]:
    return [_read(row) for row in conn.execute(select(ehr_subscription).order_by(ehr_subscription.c.name))]


def put(conn: Connection, one: EhrSubscription) -> None:
    """Register a subscription, or change what it asks for; what came of it stays."""
    statement = insert(conn, ehr_subscription).values(_row(one))
    asked = {name: statement.excluded[name] for name in ("reference", "criteria", "topic", "content")}
    conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_=asked))


def note(conn: Connection, one: EhrSubscription) -> None:
    """Keep what came of it."""
    row = _row(one)
    came = {
        name: row[name]
        for name in ("status", "heard_at", "swept_at", "seen", "missing", "gaps", "taken", "refused")
    }
    conn.execute(update(ehr_subscription).where(ehr_subscription.c.name == one.name).values(came))


def remove(conn: Connection, name: str) -> None:
    conn.execute(delete(ehr_subscription).where(ehr_subscription.c.name == name))


def _row(one: EhrSubscription) -> dict[str, Any]:
    return {
        "name": one.name, "reference": one.reference, "criteria": one.criteria, "topic": one.topic,
        "content": one.content, "status": one.status, "created_at": one.created_at,
        "heard_at": one.heard_at, "swept_at": one.swept_at, "seen": one.numbers.seen,
        "missing": orjson.dumps(one.numbers.missing).decode(), "gaps": one.gaps, "taken": one.taken,
        "refused": one.refused,
    }  # fmt: skip


def _read(row: Row[Any]) -> EhrSubscription:
    missing = tuple((low, high) for low, high in orjson.loads(row.missing))
    return EhrSubscription(
        name=row.name, reference=row.reference, criteria=row.criteria, topic=row.topic, content=row.content,
        status=row.status, created_at=_aware(row.created_at),
        heard_at=_aware(row.heard_at) if row.heard_at else None,
        swept_at=_aware(row.swept_at) if row.swept_at else None,
        numbers=Numbers(row.seen, missing), gaps=row.gaps, taken=row.taken, refused=row.refused,
    )  # fmt: skip


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC)
