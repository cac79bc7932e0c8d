"""What stands in a service's database, without the stamps of its storage: what two runs are compared by."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from isodose.assessment.handlers import WITHDRAWN
from isodose.storage.database import Database
from isodose.storage.tables import guidance, patient_record, resource


def concluded(database: Database) -> dict[str, Any]:
    """The resources about patients that stand. What was withdrawn is left out: a service that saw only the
    last of several records never concluded what the earlier ones led to.
    """
    about = (resource.c.patient_id.is_not(None), resource.c.deleted.is_(False))
    with database.read() as conn:
        rows = conn.execute(select(resource.c["type", "id", "body", "origin"]).where(*about)).all()
    found = {f"{row.type}/{row.id}": (row.type, row.origin, orjson.loads(row.body)) for row in rows}
    for _, _, body in found.values():
        body.pop("meta", None)
    return {
        name: body
        for name, (type, origin, body) in found.items()
        if origin == "ehr" or body.get("status") != WITHDRAWN.get(type, "none")
    }


def decided_on(database: Database) -> dict[str, Any]:
    """The records, and what each decision was made on."""
    with database.read() as conn:
        records = conn.execute(select(patient_record)).all()
        made = conn.execute(select(guidance.c["service", "patient_id", "record_version", "on_date"])).all()
    return {row.patient_id: (row.version, row.content) for row in records} | {
        f"{row.service} {row.patient_id}": (row.record_version, str(row.on_date)) for row in made
    }
