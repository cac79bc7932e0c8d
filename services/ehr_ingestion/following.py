"""What is judged and done with every resource that comes in, in the transaction that keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from ehr_ingestion.intake.responses import follow_responses, refuse_unfit, respondents
from ehr_ingestion.patient_records import concerned, rebuild, touched
from ehr_ingestion.stated_facts import refuse_unreadable
from isodose.fhir.stored import Stored
from isodose.service import Work


def follow(work: Work, written: Sequence[Stored]) -> None:
    """Judge what was stated and answered; in the same transaction let what the answers state, and the
    records, follow what was written.
    """
    refuse_unreadable(written)
    refuse_unfit(work, written)
    answering = respondents(written)
    if answering:
        work.records.lock(*touched(written))
        written = [*written, *follow_responses(work, answering)]
    rebuild(work, concerned(work, written))
