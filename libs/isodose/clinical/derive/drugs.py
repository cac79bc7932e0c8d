"""Facts that follow from the drugs of a record."""

from __future__ import annotations

import datetime as dt

from isodose.clinical.record import PatientRecord


def drug_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with derived drug facts."""
    return record
