"""Cards on a draft order of cranial radiation, before it is signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from eligibility_scoring.card import PROPOSES, card, not_available
from eligibility_scoring.decision import decide
from eligibility_scoring.order_review import CRANIAL, Remark, remarks
from isodose.cds_hooks.cards import detail
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.mcode import build_record


def review_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """One card per thing to think over before signing; none where the drafts are no cranial radiation."""
    drafts = [_named(resource, place) for place, resource in enumerate(call.drafts)]
    others = [r for r in call.resources if not any(r is draft for draft in call.drafts)]
    drafted = {f"{draft['resourceType']}/{draft['id']}" for draft in drafts}
    record = as_if_signed(build_record(call.patient_id, [*drafts, *others]), drafted)
    plans = [course for course in record.courses if course.ref in drafted and course.kind in CRANIAL]
    if not plans:
        return []
    findings = decide(record, knowledge, call.on)
    return [_remark_card(call, remark, base) for remark in remarks(plans, findings)]


def as_if_signed(record: PatientRecord, drafted: Iterable[str]) -> PatientRecord:
    """The record as it will be once the drafts are signed: planned courses."""
    signed = frozenset(drafted)
    courses = tuple(
        msgspec.structs.replace(c, status="planned", draft=False) if c.ref in signed else c
        for c in record.courses
    )
    return msgspec.structs.replace(record, courses=courses)


def _remark_card(call: HookCall, remark: Remark, base: str) -> Card:
    return card(
        call,
        code=remark.code,
        summary=remark.title,
        text=detail(remark.findings, [*not_available(call), PROPOSES]),
        indicator="warning" if remark.serious else "info",
        base=base,
    )


def _named(resource: dict[str, Any], place: int) -> dict[str, Any]:
    """A draft may have no id yet: it gets one that holds for this call."""
    return resource if resource.get("id") else {**resource, "id": f"draft-{place}"}
