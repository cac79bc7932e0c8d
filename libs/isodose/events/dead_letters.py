"""Messages that no attempt could handle: listed, handled again once the cause is mended, or dismissed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from isodose.events.consumer import Buried, Claims, Handler, handle
from isodose.events.log import Delivered
from isodose.storage.database import Database
from isodose.storage.tables import dead_letter

_WAITING = and_(dead_letter.c.replayed_at.is_(None), dead_letter.c.dismissed_at.is_(None))


@dataclass(frozen=True)
class DeadLetter:
    """One message set aside by `group`; `reason` is why an operator gave it up. `key` may be a patient, and
    `error` quote the message: both are for operators only. A tombstone erases who is its key.
    """

    id: int
    group: str
    topic: str
    partition: int
    offset: int
    key: str | None
    error: str
    attempts: int
    failed_at: dt.datetime
    dismissed_at: dt.datetime | None
    reason: str | None
    is_tombstone: bool


def listed(database: Database, group: str | None = None, dismissed: bool = False) -> list[DeadLetter]:
    """Dead letters that wait, or those that were dismissed, oldest first."""
    of_table = [dead_letter.c[name] for name in DeadLetter.__dataclass_fields__ if name != "is_tombstone"]
    columns: list[ColumnElement[Any]] = [*of_table, dead_letter.c.value.is_(None)]
    wanted = dead_letter.c.dismissed_at.is_not(None) if dismissed else _WAITING
    query = select(*columns).where(wanted).order_by(dead_letter.c.id)
    if group is not None:
        query = query.where(dead_letter.c.group == group)
    with database.read() as conn:
        return [DeadLetter(*row) for row in conn.execute(query)]


def count(conn: Connection) -> int:
    """How many wait to be replayed or dismissed."""
    return conn.execute(select(func.count()).select_from(dead_letter).where(_WAITING)).scalar_one()


def replay(
    conn: Connection,
    letter_id: int,
    handlers: Mapping[str, Handler],
    work: Callable[[Connection], Any],
    claims: Claims | None = None,
    *,
    buried: Mapping[str, Buried] | None = None,
) -> bool:
    """Handle a dead letter again and mark it; False when none of this number waits.

    What the handler raises passes on: with the transaction rolled back, the letter stays as it was.
    """
    if not _settled(conn, letter_id, replayed_at=dt.datetime.now(dt.UTC)):
        return False
    row = conn.execute(select(dead_letter).where(dead_letter.c.id == letter_id)).one()
    message = Delivered(row.topic, row.key, row.value, json.loads(row.headers), row.partition, row.offset)
    handle(conn, [message], handlers[row.topic], work, claims, buried=(buried or {}).get(row.topic))
    return True


def dismiss(conn: Connection, letter_id: int, reason: str) -> bool:
    """Give a dead letter up; False when none of this number waits. Erased with its patient."""
    return _settled(conn, letter_id, dismissed_at=dt.datetime.now(dt.UTC), reason=reason)


def _settled(conn: Connection, letter_id: int, **values: object) -> bool:
    waiting = update(dead_letter).where(dead_letter.c.id == letter_id, _WAITING)
    return conn.execute(waiting.values(values)).rowcount == 1
