"""What is judged and done with every resource that comes in, in the transaction that keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ehr_ingestion.intake.responses import follow_responses, respondents, unfit
from ehr_ingestion.patient_records import concerned, rebuild, touched
from ehr_ingestion.stated_facts import unreadable
from isodose.fhir.errors import Issue
from isodose.fhir.stored import Stored
from isodose.service import Work


def judged(work: Work, written: Stored) -> Iterator[Issue]:
    """Why a statement states no fact that can be read, or why answers do not fit the intake form."""
    if written.type == "Observation":
        issue = unreadable(written.resource())
        yield from [issue] if issue else ()
    elif written.type == "QuestionnaireResponse":
        yield from unfit(work, written)


def follow(work: Work, written: Sequence[Stored]) -> None:
    """Let what the answers state, and the records, follow what was written, in the same transaction."""
    answering = respondents(written)
    if answering:
        work.records.lock(*touched(written))
        written = [*written, *follow_responses(work, answering)]
    rebuild(work, concerned(work, written))
