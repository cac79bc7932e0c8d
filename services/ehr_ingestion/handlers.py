"""What the decision services concluded is folded into the one record, read where the rest is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from isodose.events.consumer import Handler
from isodose.events.contract import Event, GuidanceData
from isodose.service import Work
from isodose.storage.records import Guidance


def fold_guidance(work: Work, event: Event) -> None:
    """Store the results of one decision, unless a decision on a newer record or a later day is here."""
    told = msgspec.json.decode(bytes(event.data), type=GuidanceData)
    work.records.lock(told.patient_id)
    concluded: dict[str, Any] = {"findings": told.findings, "options": told.options}
    is_current = work.guidance.put(
        Guidance(
            service=told.service,
            patient_id=told.patient_id,
            record_version=told.record_version,
            knowledge_version=told.knowledge_version,
            on=told.on,
            content=msgspec.json.encode(concluded, order="deterministic").decode(),
        )
    )
    if is_current:
        work.resources.put_results(told.resources, told.patient_id)


def handlers() -> Mapping[str, Handler]:
    return {"isodose.guidance.v1": fold_guidance}
