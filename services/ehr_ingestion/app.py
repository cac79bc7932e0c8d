"""What ehr_ingestion is made of."""

from __future__ import annotations

from ehr_ingestion.api import claims
from ehr_ingestion.following import follow
from ehr_ingestion.handlers import handlers
from isodose.assessment.published import words_of_all
from isodose.service import Service
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
