"""What the decision services concluded is folded into the one record, read where the rest is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ehr_ingestion.subscribers.telling import tell
from ehr_ingestion.write_back.writing import ask_for
from isodose.assessment.told import counting
from isodose.events.consumer import Handler
from isodose.events.contract import Event
from isodose.service import Work
from isodose.settings import Settings


def fold_guidance(work: Work, events: Sequence[Event], write_back: bool = False) -> None:
    """Store the results of decisions, unless decisions on newer records or later days are here.

    What was decided on a patient who was erased meanwhile is not taken up again. Subscribers are told of
    results; with `write_back` they are asked to be brought to the EHR too.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for told in counting(work, events, only=work.records.versions):
        results.setdefault(told.patient_id, []).extend(told.resources)
    tell(work, work.resources.put_results(results))
    if write_back:
        ask_for(work.conn, [*results])


def handlers(settings: Settings) -> Mapping[str, Handler]:
    write_back = bool(settings.write_back_types and settings.ehr_fhir_url)
    return {"isodose.guidance.v1": partial(fold_guidance, write_back=write_back)}
