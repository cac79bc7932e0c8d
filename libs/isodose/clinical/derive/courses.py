"""Facts that follow from the courses of a record."""

from __future__ import annotations

import datetime as dt

from isodose.clinical.record import PatientRecord


def course_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with derived course facts."""
    return record
