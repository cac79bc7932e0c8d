"""The record of a patient follows what the EHR sent: built once per transaction, told when it differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
from sqlalchemy import bindparam, select, tuple_

from ehr_ingestion.identity import settled
from isodose.clinical.record import PatientRecord
from isodose.events.contract import record_changed
from isodose.fhir.access import OF_ASKER
from isodose.fhir.references import target
from isodose.fhir.stored import Stored
from isodose.mcode import build_record
from isodose.service import Work
from isodose.storage.tables import resource, search_index
from isodose.telemetry import current_traceparent

_SENT = (
    select(resource.c.body)
    .where(
        resource.c.patient_id == bindparam("patient"),
        resource.c.deleted.is_(False),
        resource.c.origin == "ehr",
    )
    .order_by(resource.c.type, resource.c.id)
)


def touched(written: Iterable[Stored]) -> set[str]:
    """The patients whose record may differ after these writes; one that a resource has left is among them."""
    changed = [stored for stored in written if stored.changed and stored.type not in OF_ASKER]
    return {patient for stored in changed for patient in (stored.patient_id, stored.left) if patient}


def concerned(work: Work, written: Iterable[Stored]) -> set[str]:
    """As `touched`, with the patients whose orders name a drug that was written."""
    listed = list(written)
    drugs = [stored.id for stored in listed if stored.changed and stored.type == "Medication"]
    return touched(listed) | _taking(work, drugs)


def _taking(work: Work, drugs: list[str]) -> set[str]:
    """The patients with a resource that names one of these Medications."""
    if not drugs:
        return set()
    index = search_index.c
    naming = select(index.type, index.id).where(
        index.param == "medication", index.system == "Medication", index.value.in_(drugs)
    )
    holders = select(resource.c.patient_id).where(
        tuple_(resource.c.type, resource.c.id).in_(naming), resource.c.patient_id.is_not(None)
    )
    return set(work.conn.execute(holders).scalars())


def rebuild(work: Work, patient_ids: Iterable[str]) -> list[PatientRecord]:
    """Build the records of these patients from what is stored; keep and announce those that changed.

    Runs in the transaction that changed the resources, so a record is never newer or older than they are. A
    patient who was merged into another has a record that says so and nothing else.
    """
    changed = []
    known = settled(work, set(patient_ids))
    for patient_id in sorted(known.patients):
        last = work.records.get(patient_id)
        survivor = known.survivors.get(patient_id)
        built = (
            PatientRecord(patient_id=patient_id, replaced_by=survivor)
            if survivor
            else build_record(patient_id, _resources(work, patient_id))
        )
        if last is not None and built.same_content(last):
            continue
        record = msgspec.structs.replace(built, version=last.version + 1 if last else 1)
        work.records.put(record)
        work.outbox.add(
            "isodose.patient-record.v1", patient_id, record_changed(record, current_traceparent())
        )
        changed.append(record)
    return changed


def _resources(work: Work, patient_id: str) -> list[dict[str, Any]]:
    """What the EHR sent about the patient, with the drugs that its orders name by reference."""
    own = [orjson.loads(body) for body in work.conn.execute(_SENT, {"patient": patient_id}).scalars()]
    named = {
        drug
        for one in own
        if (drug := target(one.get("medicationReference", {}).get("reference", ""), work.resources.base))
    }
    drugs = work.resources.get_many(named) if named else {}
    return [*own, *(drug.resource() for drug in drugs.values() if not drug.deleted)]
