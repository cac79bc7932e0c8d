"""What soundly follows from a record on a given day: facts derived from lesions, courses, scans and drugs.

A derived fact never overrides a stated one, and says from which resources and why it follows.
"""

from __future__ import annotations

import datetime as dt

from isodose.clinical.derive.courses import course_facts
from isodose.clinical.derive.drugs import drug_facts
from isodose.clinical.derive.lesions import lesion_facts
from isodose.clinical.record import PatientRecord


def as_of(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with the facts that follow from it on the day `on`. Pure; same input, same output."""
    for step in (lesion_facts, course_facts, drug_facts):
        record = step(record, on)
    return record
