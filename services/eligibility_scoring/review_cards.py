"""Cards on a draft order of cranial radiation, before it is signed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from eligibility_scoring.card import PROPOSES, card, not_available
from eligibility_scoring.decision import decide
from eligibility_scoring.order_review import remarks
from eligibility_scoring.order_review.order import CRANIAL, orders
from eligibility_scoring.order_review.remark import Remark
from isodose.cds_hooks.cards import detail, escaped, fact_line, source_line
from isodose.cds_hooks.drafts import with_named_drafts
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Card
from isodose.clinical import derive
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.mcode import build_record
from isodose.mcode.chart import reference_to


def review_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """One card per thing to think over before signing; none where the drafts are no cranial radiation."""
    call = with_named_drafts(call)
    drafted = {reference_to(draft) for draft in call.drafts}
    record = as_if_signed(build_record(call.patient_id, call.resources), drafted)
    plans = [course for course in record.courses if course.ref in drafted and course.kind in CRANIAL]
    if not plans:
        return []
    findings = decide(record, knowledge, call.on)
    drafted_orders = orders(derive.as_of(record, call.on), plans, findings, knowledge, call.on)
    return [_remark_card(call, remark, knowledge, base) for remark in remarks(drafted_orders)]


def as_if_signed(record: PatientRecord, drafted: Iterable[str]) -> PatientRecord:
    """The record as it will be once the drafts are signed: planned courses."""
    signed = frozenset(drafted)
    courses = tuple(
        msgspec.structs.replace(c, status="planned", draft=False) if c.ref in signed else c
        for c in record.courses
    )
    return msgspec.structs.replace(record, courses=courses)


def _remark_card(call: HookCall, remark: Remark, knowledge: Knowledge, base: str) -> Card:
    notes = [*not_available(call), PROPOSES]
    text = detail(remark.findings, notes) if remark.findings else _told(remark, knowledge, notes)
    return card(
        call,
        code=remark.code,
        summary=remark.title.rstrip("."),
        text=text,
        indicator="warning" if remark.serious else "info",
        base=base,
    )


def _told(remark: Remark, knowledge: Knowledge, notes: Iterable[str]) -> str:
    """A remark told in lines of its own: what is ordered and usual, the facts, the doubts, the sources."""
    parts = ["\n".join(f"- {escaped(line)}" for line in remark.lines)]
    if remark.cited:
        strength = knowledge.entry(remark.cited[0]).strength.replace("_", " ")
        parts.append(f"_Strength: {strength}; {remark.code}_")
    if remark.facts:
        parts.append("Facts used:\n" + "\n".join(f"- {fact_line(fact)}" for fact in remark.facts))
    parts.extend(f"Conflicting evidence: {escaped(doubt)}" for doubt in remark.doubts)
    sources = [source_line(code, knowledge.entry(code).evidence) for code in remark.cited]
    if sources:
        parts.append("Sources:\n" + "\n".join(f"- {line}" for line in sources))
    parts.extend(f"> {escaped(note)}" for note in notes)
    return "\n\n".join(part for part in parts if part)
