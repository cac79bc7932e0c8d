"""How a patient stands with surveillance, in one word: what a clinic counts."""

from __future__ import annotations

import datetime as dt

from are_surveillance.decision import plan_of
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord


def state(knowledge: Knowledge, record: PatientRecord, findings: list[Finding], on: dt.date) -> str:
    """`planned`, `booked`, `due`, `overdue` or `lost` of the window to act on; `paused`; `ahead` or `undated`
    before the first window; `ended`; empty without radiosurgery.
    """
    plan = plan_of(record, findings, knowledge, on)
    if plan.status == "none":
        return ""
    if plan.status != "active" or plan.active is None:
        return plan.status
    if plan.pause is None:
        return plan.active.state
    return "ended" if plan.pause.value == "ended" else "paused"
