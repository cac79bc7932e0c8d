"""The record of a patient follows what the EHR sent: built once per transaction, told when it differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from ehr_ingestion.identity import settled
from isodose.clinical.record import PatientRecord
from isodose.events.contract import record_changed
from isodose.fhir.stored import Stored
from isodose.mcode import build_record
from isodose.service import Work
from isodose.telemetry import current_traceparent


def touched(written: Iterable[Stored]) -> set[str]:
    """The patients whose record may differ after these writes; one that a resource has left is among them."""
    changed = [stored for stored in written if stored.changed]
    return {patient for stored in changed for patient in (stored.patient_id, stored.left) if patient}


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
    return [orjson.loads(stored.body) for stored in work.resources.of_patient(patient_id, origin="ehr")]
