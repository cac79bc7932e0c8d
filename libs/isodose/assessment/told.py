"""What the decision services told of their decisions: of each, the newest on a patient alone counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import msgspec

from isodose.events.contract import Event
from isodose.storage.records import Guidance
from isodose.work import Work


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """Of `GuidanceData`, what others than the service that decided keep: the findings stay with it."""

    patient_id: str
    service: str
    record_version: int
    knowledge_version: str
    on: dt.date
    resources: list[dict[str, Any]]


_told = msgspec.json.Decoder(Told)


def counting(
    work: Work, events: Sequence[Event], only: Callable[[Iterable[str]], Container[str]] | None = None
) -> list[Told]:
    """Those of these decisions that count: none on a newer record or a later day is here. They are noted, and
    their patients stay locked until the transaction ends. `only` tells which of some patients are known.
    """
    newest: dict[tuple[str, str], Told] = {}
    for event in events:
        told = _told.decode(event.data)
        before = newest.get((told.service, told.patient_id))
        if before is None or (before.record_version, before.on) <= (told.record_version, told.on):
            newest[told.service, told.patient_id] = told
    patients = {told.patient_id for told in newest.values()}
    work.records.lock(*patients)
    known = patients if only is None else only(patients)
    counted = work.guidance.put(*(_guidance(told) for told in newest.values() if told.patient_id in known))
    return [newest[one.service, one.patient_id] for one in counted]


def _guidance(told: Told) -> Guidance:
    return Guidance(
        service=told.service,
        patient_id=told.patient_id,
        record_version=told.record_version,
        knowledge_version=told.knowledge_version,
        on=told.on,
        digest="",
    )
