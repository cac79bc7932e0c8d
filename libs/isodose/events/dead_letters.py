"""Events set aside because they could not be handled: kept with their error until they are replayed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, select, update

from isodose.events.contract import decode
from isodose.events.log import Delivered
from isodose.storage.database import Database, insert
from isodose.storage.tables import dead_letter

if TYPE_CHECKING:
    from isodose.events.consumer import Handler


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that was set aside. `error` names kinds of errors and holds no patient data."""

    id: int
    group: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes | None
    error: str
    attempts: int
    failed_at: dt.datetime
    replayed_at: dt.datetime | None


def set_aside(conn: Connection, group: str, one: Delivered, error: BaseException, attempts: int) -> None:
    conn.execute(
        insert(conn, dead_letter)
        .values(
            group=group,
            topic=one.topic,
            partition=one.partition,
            offset=one.offset,
            key=one.key,
            value=one.value,
            headers=orjson.dumps(dict(one.headers)).decode(),
            error=_kinds(error),
            attempts=attempts,
            failed_at=dt.datetime.now(dt.UTC),
        )
        .on_conflict_do_nothing()
    )


def waiting(conn: Connection, group: str | None = None) -> list[DeadLetter]:
    """Those not replayed yet, oldest first."""
    query = select(dead_letter).where(dead_letter.c.replayed_at.is_(None)).order_by(dead_letter.c.id)
    if group is not None:
        query = query.where(dead_letter.c.group == group)
    return [
        DeadLetter(
            id=row.id,
            group=row.group,
            topic=row.topic,
            partition=row.partition,
            offset=row.offset,
            key=row.key,
            value=row.value,
            error=row.error,
            attempts=row.attempts,
            failed_at=row.failed_at,
            replayed_at=row.replayed_at,
        )
        for row in conn.execute(query)
    ]


def replay(
    database: Database, letter: DeadLetter, handlers: Mapping[str, Handler], work: Callable[[Connection], Any]
) -> None:
    """Handle it again and mark it, in one transaction. Raises what the handler raises."""
    with database.begin() as conn:
        mark = update(dead_letter).where(dead_letter.c.id == letter.id, dead_letter.c.replayed_at.is_(None))
        if conn.execute(mark.values(replayed_at=dt.datetime.now(dt.UTC))).rowcount == 1:
            handlers[letter.topic](work(conn), decode(letter.value or b""))


def _kinds(error: BaseException) -> str:
    kinds: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        frame = seen.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f" at {frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else ""
        kinds.append(type(seen).__qualname__ + where)
        seen = seen.__cause__ or seen.__context__
    return " <- ".join(kinds)
