"""What ehr_ingestion answers beside FHIR: records too large to travel in an event."""

from __future__ import annotations

from fastapi import APIRouter, Response

from isodose.clinical import record as clinical_record
from isodose.fhir.errors import not_found
from isodose.openapi import answer, described, operation, parameter, refusals
from isodose.service import Running


def claims(running: Running) -> APIRouter:
    """`GET /patient-record/{id}/{version}`: that version, or a newer one that has taken its place."""
    router = APIRouter()

    @router.get("/patient-record/{patient_id}/{version}", openapi_extra=_TOLD)
    def record(patient_id: str, version: int) -> Response:
        with running.reading() as work:
            kept = work.records.get(patient_id)
        if kept is None or kept.version < version:
            raise not_found("There is no such record of this patient.")
        return Response(clinical_record.encode(kept), media_type="application/json")

    return router


_TOLD = described(
    get=operation(
        "The record of a patient that was too large for its event; for the services alone",
        {
            "200": answer("The record", "application/json", {"type": "object", "required": ["patient_id"]}),
            **refusals({400, 401, 403, 404, 429, 500, 503}),
        },
        tag="record",
        parameters=[
            parameter("patient_id", "path", "The id of the patient"),
            parameter("version", "path", "That version or a newer one", {"type": "integer"}),
        ],
    )
)
