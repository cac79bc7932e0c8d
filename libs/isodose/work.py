"""One transaction of a service: everything a handler or a request may read and write, committed together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from isodose.events.outbox import Outbox
from isodose.fhir.store import ResourceStore
from isodose.storage.archive import Archive
from isodose.storage.day_passes import DayPasses
from isodose.storage.identities import Identities
from isodose.storage.records import GuidanceStore, Records


@dataclass(frozen=True, slots=True)
class Work:
    """What belongs to one transaction. Nothing of it outlives the block that opened it."""

    conn: Connection
    resources: ResourceStore
    records: Records
    identities: Identities
    guidance: GuidanceStore
    archive: Archive
    outbox: Outbox
    passes: DayPasses


def work_at(base: str) -> Callable[[Connection], Work]:
    """How to make a `Work` of a connection in a service whose FHIR base is `base`."""

    def work(conn: Connection) -> Work:
        return Work(
            conn=conn,
            resources=ResourceStore(conn, base),
            records=Records(conn),
            identities=Identities(conn),
            guidance=GuidanceStore(conn),
            archive=Archive(conn),
            outbox=Outbox(conn),
            passes=DayPasses(conn),
        )

    return work
