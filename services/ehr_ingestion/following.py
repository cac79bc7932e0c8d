"""What is judged and done with every resource that comes in, in the transaction that keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from ehr_ingestion.patient_records import rebuild, touched
from ehr_ingestion.stated_facts import refuse_unreadable
from isodose.fhir.stored import Stored
from isodose.service import Work


def follow(work: Work, written: Sequence[Stored]) -> None:
    """Judge what the EHR states, and let the records follow what was written, in the same transaction."""
    refuse_unreadable(written)
    rebuild(work, touched(written))
