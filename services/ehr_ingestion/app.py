"""What ehr_ingestion is made of."""

from __future__ import annotations

from collections.abc import Sequence

from ehr_ingestion.api import claims
from ehr_ingestion.handlers import handlers
from ehr_ingestion.patient_records import rebuild, touched
from ehr_ingestion.stated_facts import refuse_unreadable
from isodose.assessment.published import words_of_all
from isodose.fhir.stored import Stored
from isodose.service import Service, Work
from isodose.settings import Settings


def service(settings: Settings) -> Service:
    return Service(
        name="ehr_ingestion",
        title="Isodose: the one record per patient",
        description="FHIR R4 of what the EHR sent and of what the decision services concluded",
        port=8001,
        handlers=handlers(),
        on_written=follow,
        own_routes=claims,
        definitions=words_of_all(settings.canonical_base),
    )


def follow(work: Work, written: Sequence[Stored]) -> None:
    """Judge what the EHR states, and let the records follow what was written, in the same transaction."""
    refuse_unreadable(written)
    rebuild(work, touched(written))
