"""What soundly follows from a record on a day: facts derived from lesions, courses, scans, drugs, markers.

A derived fact never overrides a stated one, and says from which resources and why it follows.
"""

from __future__ import annotations

import datetime as dt
import threading

from isodose.clinical.derive.cns_active import cns_active_facts
from isodose.clinical.derive.courses import course_facts
from isodose.clinical.derive.drugs import acting_drugs, drug_facts
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


def with_acting_drugs(record: PatientRecord, on: dt.date) -> PatientRecord:
    """Like `as_of`, but of drugs only which inhibitors and conjugates act. Steroids, and the days between
    drugs and courses, cost most, and few rules read them.
    """
    return acting_drugs(_of_lesions_and_courses(record, on), on)


def _derived(record: PatientRecord, on: dt.date) -> PatientRecord:
    return cns_active_facts(drug_facts(_of_lesions_and_courses(record, on), on), on)


def _of_lesions_and_courses(record: PatientRecord, on: dt.date) -> PatientRecord:
    for step in (new_lesion_facts, lesion_facts, course_facts):
        record = step(record, on)
    return record
