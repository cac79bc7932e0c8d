"""Which patients were merged into which: kept so that whatever is about them finds the record in use."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, select

from isodose.storage.insertion import insert_rows
from isodose.storage.tables import merged_patient


class Identities:
    """The merges of one database, inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def survivors(self, patient_ids: Collection[str]) -> dict[str, str]:
        """Those of them who were merged, each with the patient whose record is used."""
        at = merged_patient.c
        query = select(at.patient_id, at.survivor).where(at.patient_id.in_(sorted(patient_ids)))
        return {row.patient_id: row.survivor for row in self.conn.execute(query)}

    def merged_into(self, patient_id: str) -> list[str]:
        """Who was merged into this patient, in order of id."""
        at = merged_patient.c
        query = select(at.patient_id).where(at.survivor == patient_id).order_by(at.patient_id)
        return list(self.conn.execute(query).scalars())

    def put(self, patient_ids: Collection[str], survivors: Mapping[str, str]) -> None:
        """Of these patients, the ones named in `survivors` are merged, and no others."""
        at = merged_patient.c
        self.conn.execute(delete(merged_patient).where(at.patient_id.in_(sorted(patient_ids))))
        insert_rows(self.conn, merged_patient, ("patient_id", "survivor"), sorted(survivors.items()))
