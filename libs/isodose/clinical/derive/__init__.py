"""What soundly follows from a record on a day: facts derived from lesions, courses, scans, drugs, markers.

A derived fact never overrides a stated one, and says from which resources and why it follows.
"""

from __future__ import annotations

import datetime as dt
import threading

from isodose.clinical.derive.cns_active import cns_active_facts
from isodose.clinical.derive.courses import course_facts
from isodose.clinical.derive.drugs import drug_facts
from isodose.clinical.derive.lesions import lesion_facts
from isodose.clinical.derive.velocity import new_lesion_facts
from isodose.clinical.record import PatientRecord

_last = threading.local()
"""The record derived last in this thread: one decision asks for the same one from several places."""


def as_of(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with the facts that follow from it on the day `on`. Pure; same input, same output."""
    asked = getattr(_last, "asked", None)
    if asked is None or asked[0] is not record or asked[1] != on:
        _last.asked = asked = (record, on, _derived(record, on))
    derived: PatientRecord = asked[2]
    return derived


def _derived(record: PatientRecord, on: dt.date) -> PatientRecord:
    for step in (new_lesion_facts, lesion_facts, course_facts, drug_facts, cns_active_facts):
        record = step(record, on)
    return record
