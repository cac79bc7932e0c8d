"""Facts that follow from the lesions of a record."""

from __future__ import annotations

import datetime as dt

from isodose.clinical.record import PatientRecord


def lesion_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with derived lesion facts."""
    return record
