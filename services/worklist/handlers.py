"""The clinic's rows follow what the services tell: who is there, and what was concluded on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isodose.assessment.told import counting
from isodose.clinical import record as clinical_record
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.events.consumer import Handler
from isodose.events.contract import Event
from isodose.work import Work
from worklist.needs import weights
from worklist.rows import PARTS
from worklist.shelf import Shelf, Told


def place_patients(work: Work, events: Sequence[Event]) -> None:
    """Everybody with a record has a row, but for those who were merged into another."""
    newest: dict[str, PatientRecord] = {}
    for event in events:
        record = clinical_record.decode(contract.data_of(event))
        before = newest.get(record.patient_id)
        if before is None or before.version <= record.version:
            newest[record.patient_id] = record
    stood = work.records.versions(newest)
    records = [one for one in newest.values() if stood.get(one.patient_id, 0) <= one.version]
    work.records.put(*(one for one in records if one.replaced_by or one.patient_id in stood))
    shelf = Shelf(work.conn)
    shelf.place(one.patient_id for one in records if not one.replaced_by)
    shelf.clear(one.patient_id for one in records if one.replaced_by)


def keep_conclusions(work: Work, events: Sequence[Event]) -> None:
    """The part of a row that a service tells, and the needs in it, are as the service last told them."""
    told = []
    counted = counting(work, events)
    merged = work.records.get_many(one.patient_id for one in counted)
    for one in counted:
        if one.patient_id in merged and merged[one.patient_id].replaced_by:
            continue
        part, read = PARTS[one.service]
        needs = weights(part, one.resources)
        told.append(Told(one.patient_id, part, read(one.resources), needs))
    Shelf(work.conn).put(told)


def handlers() -> Mapping[str, Handler]:
    return {"isodose.patient-record.v1": place_patients, "isodose.guidance.v1": keep_conclusions}
