"""What the decision services concluded is folded into the one record, read where the rest is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ehr_ingestion.subscribers.telling import tell
from ehr_ingestion.write_back.writing import ask_for
from isodose.events.consumer import Handler
from isodose.events.contract import Event
from isodose.service import Work
from isodose.settings import Settings
from isodose.storage.records import Guidance


class _Told(msgspec.Struct, frozen=True, rename="camel"):
    """Of `GuidanceData`, what is kept here: the findings stay with the service that made them."""

    patient_id: str
    service: str
    record_version: int
    knowledge_version: str
    on: dt.date
    resources: list[dict[str, Any]]


_told = msgspec.json.Decoder(_Told)


def fold_guidance(work: Work, events: Sequence[Event], write_back: bool = False) -> None:
    """Store the results of decisions, unless decisions on newer records or later days are here.

    What was decided on a patient who was erased meanwhile is not taken up again. Subscribers are told of
    results; with `write_back` they are asked to be brought to the EHR too.
    """
    newest: dict[tuple[str, str], _Told] = {}
    for event in events:
        told = _told.decode(event.data)
        before = newest.get((told.service, told.patient_id))
        if before is None or (before.record_version, before.on) <= (told.record_version, told.on):
            newest[told.service, told.patient_id] = told
    patients = {told.patient_id for told in newest.values()}
    work.records.lock(*patients)
    there = work.records.versions(patients)
    counting = work.guidance.put(*(_guidance(told) for told in newest.values() if told.patient_id in there))
    results: dict[str, list[dict[str, Any]]] = {}
    for one in counting:
        results.setdefault(one.patient_id, []).extend(newest[one.service, one.patient_id].resources)
    tell(work, work.resources.put_results(results))
    if write_back:
        ask_for(work.conn, [*results])


def _guidance(told: _Told) -> Guidance:
    return Guidance(
        service=told.service,
        patient_id=told.patient_id,
        record_version=told.record_version,
        knowledge_version=told.knowledge_version,
        on=told.on,
        digest="",
    )


def handlers(settings: Settings) -> Mapping[str, Handler]:
    write_back = bool(settings.write_back_types and settings.ehr_fhir_url)
    return {"isodose.guidance.v1": partial(fold_guidance, write_back=write_back)}
