"""What ehr_ingestion answers beside FHIR: records too large to travel in an event."""

from __future__ import annotations

from fastapi import APIRouter, Response

from isodose.clinical import record as clinical_record
from isodose.fhir.errors import not_found
from isodose.service import Running


def claims(running: Running) -> APIRouter:
    """`GET /patient-record/{id}/{version}`: that version, or a newer one that has taken its place."""
    router = APIRouter()

    @router.get("/patient-record/{patient_id}/{version}")
    def record(patient_id: str, version: int) -> Response:
        with running.reading() as work:
            kept = work.records.get(patient_id)
        if kept is None or kept.version < version:
            raise not_found("There is no such record of this patient.")
        return Response(clinical_record.encode(kept), media_type="application/json")

    return router
