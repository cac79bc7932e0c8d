"""One version of a resource as the store keeps it.

https://hl7.org/fhir/R4/resource.html#Meta
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource as it is in the store. `changed` tells whether this write made it current;
    `left` is the patient whose compartment it was in before, where that is another one.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    body: bytes
    deleted: bool = False
    changed: bool = False
    created: bool = False
    method: str = "PUT"
    patient_id: str | None = None
    origin: str = "ehr"
    left: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"

    def resource(self) -> dict[str, Any]:
        """A parsed copy, to read."""
        data: dict[str, Any] = orjson.loads(self.body)
        return data


def as_stored(row: Row[Any]) -> Stored:
    """A row of `resource` as what it stands for."""
    return Stored(
        row.type, row.id, row.version, datetime.fromisoformat(row.last_updated), row.body.encode(),
        deleted=row.deleted, patient_id=row.patient_id, origin=row.origin,
    )  # fmt: skip


def as_version(row: Row[Any]) -> Stored:
    return Stored(
        row.type, row.id, row.version, datetime.fromisoformat(row.last_updated), row.body.encode(),
        deleted=row.deleted, method=row.method,
    )  # fmt: skip
