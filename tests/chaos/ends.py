"""What has to hold at the end: nothing is under way or set aside, and the state is the undisturbed one."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from sqlalchemy import ColumnElement, func, select

from all_in_one.app import AllInOne
from concluded import concluded, decided_on
from isodose.events.log import open_log
from isodose.security.audit import chain, verified
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import (
    consumed_position,
    dead_letter,
    job,
    outbox,
    resource_version,
    worklist_need,
    worklist_row,
)

DECIDING = ("eligibility_scoring", "are_surveillance", "ici_steroid_alerts")
RECORDS = "isodose.patient-record.v1"
Databases = Mapping[str, Database]


def state(databases: Databases) -> dict[str, Any]:
    """By service: the resources that stand, the records, what was decided on them, the clinic's rows."""
    return {name: (concluded(one), decided_on(one), _rows(one)) for name, one in databases.items()}


def without_faults(
    bodies: Sequence[bytes], names: Sequence[str], data_dir: Path, serving: ModuleType
) -> dict[str, Any]:
    """The state of the services `names` after the same bundles in one process, undisturbed."""
    whole = AllInOne(Settings(data_dir=data_dir, demonstration_day=dt.date(2026, 11, 23)))
    whole.migrate()
    headers = {"content-type": "application/fhir+json"}
    with serving.served(whole, whole.lifespan()) as client:
        for body in bodies:
            assert client.post("/fhir", content=body, headers=headers).status_code == 200
        databases = {name: running.database for name, running in whole.running().items() if name in names}
        settled(databases)
        return state(databases)


def settled(databases: Databases, seconds: float = 300) -> None:
    """Wait until every record is decided on by all, every result is known wherever it is wanted, and nothing
    is left to do at others.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if _is_decided(databases) and _is_told(databases) and not jobs(databases, job.c.failed_at.is_(None)):
            return
        time.sleep(0.5)
    raise AssertionError(f"events are still under way; left: {left(databases)}, {jobs(databases)}")


def left(databases: Databases) -> dict[str, dict[str, int]]:
    """By service what should be none: events not published, events set aside."""
    kinds = {
        "unpublished": (outbox, outbox.c.published_at.is_(None)),
        "set aside": (dead_letter, dead_letter.c.replayed_at.is_(None)),
    }
    found: dict[str, dict[str, int]] = {}
    for name, database in databases.items():
        with database.read() as conn:
            for kind, (table, wanted) in kinds.items():
                many = conn.execute(select(func.count()).select_from(table).where(wanted)).scalar_one()
                if many:
                    found.setdefault(name, {})[kind] = many
    return found


def jobs(databases: Databases, *which: ColumnElement[bool]) -> list[str]:
    """What is left to do at others, or was given up, with what was said last."""
    query, found = select(job.c["kind", "attempts", "error"]).where(*which), []
    for name, database in databases.items():
        with database.read() as conn:
            found += [f"{name}: {kind} after {tries}: {said}" for kind, tries, said in conn.execute(query)]
    return found


def errors_set_aside(databases: Databases) -> list[str]:
    found = []
    for database in databases.values():
        with database.read() as conn:
            found += conn.execute(select(dead_letter.c.error)).scalars()
    return found


def broken_chains(databases: Databases, key: bytes) -> dict[str, int]:
    """By service, the first audit event that does not follow the one before it."""
    found = {}
    for name, database in databases.items():
        with database.read() as conn:
            verdict = verified(chain(conn), key)
        if verdict.broken_at is not None:
            found[name] = verdict.broken_at
    return found


def stale_at_the_end(log_url: str, records: Database) -> dict[str, int]:
    """Patients whose last event in the log is not of the record that stands, and of which it is: compaction
    keeps the last.
    """
    last: dict[str, int] = {}
    with contextlib.closing(open_log(log_url)) as log:
        reading = log.subscribe("the end", [RECORDS], lambda _topic, _partition: None)
        until = time.monotonic() + 120
        while not reading.at_end():
            assert time.monotonic() < until, "the log does not come to its end"
            for one in reading.poll(1.0):
                last[str(one.key)] = orjson.loads(one.value or b"{}")["data"]["version"]
        reading.close()
    standing = {patient: v[0] for patient, v in decided_on(records).items() if " " not in patient}
    return {patient: version for patient, version in last.items() if standing[patient] != version}


def versions(database: Database) -> dict[str, int]:
    """Of each told Observation, how many versions are kept."""
    at = resource_version.c
    told = at.type == "Observation", at.id.like("%-kps-told")
    with database.read() as conn:
        found = conn.execute(select(at.id, func.count()).where(*told).group_by(at.id))
        return {row[0]: row[1] for row in found}


def told_apart(bodies: Sequence[bytes]) -> dict[str, int]:
    """By Observation, how often the EHR told another value than before."""
    counted: dict[str, int] = {}
    for body in bodies:
        if b"-kps-told" in body:
            id = body.partition(b'"id":"')[2].partition(b'"')[0].decode()
            counted[id] = counted.get(id, 0) + 1
    return counted


def _is_decided(databases: Databases) -> bool:
    told = {name: decided_on(one) for name, one in databases.items()}
    records = {patient: v for patient, v in told["ehr_ingestion"].items() if " " not in patient}
    wanted = {f"{name} {patient}": version for name in DECIDING for patient, (version, _) in records.items()}
    folded = {key: v[0] for key, v in told["ehr_ingestion"].items() if " " in key}
    made = {key: v[0] for name in DECIDING for key, v in told[name].items() if " " in key}
    return wanted == folded == made


def _is_told(databases: Databases) -> bool:
    """Whether nothing waits to be published, and all who listen to results have heard the same of them."""
    if any("unpublished" in one for one in left(databases).values()):
        return False
    listening = [one for name, one in databases.items() if name not in DECIDING]
    return len({_heard(one) for one in listening}) == 1


def _heard(database: Database) -> tuple[tuple[int, int], ...]:
    at = consumed_position.c
    query = select(at.partition, at.next_offset).where(at.topic == "isodose.guidance.v1")
    with database.read() as conn:
        return tuple((where, offset) for where, offset in conn.execute(query.order_by(at.partition)))


def _rows(database: Database) -> tuple[list[Any], list[Any]]:
    row, need = worklist_row.c, worklist_need.c
    with database.read() as conn:
        rows = conn.execute(
            select(row.patient_id, row.options, row.plans, row.alerts).order_by(row.patient_id)
        )
        needs = conn.execute(
            select(need.patient_id, need.need, need.weight, need.leads).order_by(need.patient_id, need.need)
        )
        return [tuple(one) for one in rows], [tuple(one) for one in needs]
