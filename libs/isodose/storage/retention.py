"""Histories of results shortened: what the platform concluded long ago and has revised since.

What an EHR sent stays, in every version; so do the results that stand, and all it takes to make them again.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, exists, func, select, tuple_

from isodose.storage.tables import decision, record_version, resource, resource_version


def prune(conn: Connection, before: str) -> dict[str, int]:
    """Delete what was superseded and written before the instant `before`; how many rows of each table.

    Versions of results go but for the current one and the one before it, which a withdrawal repeats; so do
    decisions that wrote no version that is kept, and records that no decision that is kept was made on.
    Knowledge stays: it is the same for everybody.
    """
    deleted = {"resource_version": _versions(conn, before)}
    return deleted | {"decision": _decisions(conn, before), "record_version": _records(conn)}


def _versions(conn: Connection, before: str) -> int:
    at, of = resource_version.c, resource.c
    superseded = exists().where(
        of.type == at.type, of.id == at.id, of.origin == "result", of.version > at.version + 1
    )
    return conn.execute(delete(resource_version).where(at.last_updated < before, superseded)).rowcount


def _decisions(conn: Connection, before: str) -> int:
    """A version was written by the decision that stood then: the last one before it."""
    at, key = decision.c, list(decision.primary_key)
    following = func.lead(at.decided_at).over(
        partition_by=(at.service, at.patient_id), order_by=(at.decided_at, at.record_version, at.on_date)
    )
    stood = select(*key, at.decided_at, following.label("until")).subquery()
    written = (
        exists()
        .where(resource.c.patient_id == stood.c.patient_id, resource.c.origin == "result")
        .where(
            and_(resource_version.c.type == resource.c.type, resource_version.c.id == resource.c.id),
            resource_version.c.last_updated >= stood.c.decided_at,
            resource_version.c.last_updated < stood.c.until,
        )
    )
    old = select(*(stood.c[column.name] for column in key)).where(
        stood.c.decided_at < before, stood.c.until.is_not(None), ~written
    )
    return conn.execute(delete(decision).where(tuple_(*key).in_(old))).rowcount


def _records(conn: Connection) -> int:
    at, of = record_version.c, decision.c
    decided = exists().where(of.patient_id == at.patient_id, of.record_version == at.version)
    return conn.execute(delete(record_version).where(~decided)).rowcount
