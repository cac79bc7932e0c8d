"""Messages that no attempt could handle: listed, and handled again once the cause is mended."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from isodose.events.consumer import Buried, Claims, Handler, handle
from isodose.events.log import Delivered
from isodose.storage.database import Database
from isodose.storage.tables import dead_letter


@dataclass(frozen=True)
class DeadLetter:
    """One message set aside by `group`. `error` may quote the message and is for operators only."""

    id: int
    group: str
    topic: str
    partition: int
    offset: int
    error: str
    attempts: int
    failed_at: dt.datetime
    replayed_at: dt.datetime | None


def listed(database: Database, group: str | None = None, replayed: bool = False) -> list[DeadLetter]:
    """Dead letters, oldest first; those already replayed only when asked for."""
    columns = [dead_letter.c[name] for name in DeadLetter.__dataclass_fields__]
    query = select(*columns).order_by(dead_letter.c.id)
    if group is not None:
        query = query.where(dead_letter.c.group == group)
    if not replayed:
        query = query.where(dead_letter.c.replayed_at.is_(None))
    with database.read() as conn:
        return [DeadLetter(*row) for row in conn.execute(query)]


def count(conn: Connection) -> int:
    """How many wait to be replayed."""
    query = select(func.count()).select_from(dead_letter).where(dead_letter.c.replayed_at.is_(None))
    return conn.execute(query).scalar_one()


def replay(
    database: Database,
    letter_id: int,
    handlers: Mapping[str, Handler],
    work: Callable[[Connection], Any],
    claims: Claims | None = None,
    *,
    buried: Mapping[str, Buried] | None = None,
) -> bool:
    """Handle a dead letter again and mark it, in one transaction; False when there is none to replay.

    What the handler raises passes on, and the letter stays as it was.
    """
    with database.begin() as conn:
        waiting = (
            update(dead_letter)
            .where(dead_letter.c.id == letter_id, dead_letter.c.replayed_at.is_(None))
            .values(replayed_at=dt.datetime.now(dt.UTC))
        )
        if conn.execute(waiting).rowcount != 1:
            return False
        row = conn.execute(select(dead_letter).where(dead_letter.c.id == letter_id)).one()
        message = Delivered(row.topic, row.key, row.value, json.loads(row.headers), row.partition, row.offset)
        handle(conn, [message], handlers[row.topic], work, claims, buried=(buried or {}).get(row.topic))
    return True
