"""Jobs that were given up: listed, asked for again once the cause is mended, or dismissed for good."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from isodose.events.jobs import ask
from isodose.storage.tables import job


@dataclass(frozen=True, slots=True)
class SetAside:
    """A job that was given up. `key` may name a patient and is for operators only."""

    kind: str
    key: str
    error: str
    failed_at: dt.datetime


def listed(conn: Connection) -> list[SetAside]:
    """The jobs that were given up, oldest first."""
    at = job.c
    query = select(at.kind, at.key, at.error, at.failed_at).where(at.failed_at.is_not(None))
    return [SetAside(*row) for row in conn.execute(query.order_by(at.failed_at, at.kind, at.key))]


def retry(conn: Connection, kind: str, key: str) -> bool:
    """Ask for the job again; False where it is not set aside."""
    found = conn.execute(select(job.c.key).where(_aside(kind, key)).with_for_update()).first()
    if found is None:
        return False
    ask(conn, kind, key)
    return True


def dismiss(conn: Connection, kind: str, key: str) -> bool:
    """Forget the job; False where it is not set aside."""
    return conn.execute(delete(job).where(_aside(kind, key))).rowcount == 1


def _aside(kind: str, key: str) -> ColumnElement[bool]:
    return and_(job.c.kind == kind, job.c.key == key, job.c.failed_at.is_not(None))
