"""Where the EHR sends its notifications: `/notifications/{name}`, and below it resources by their id.

Some servers POST nothing, some a resource or a Bundle, some PUT a resource as to a FHIR base: all are taken.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from ehr_ingestion.notifications import described
from ehr_ingestion.notifications.intake import take
from ehr_ingestion.notifications.reading import Notification, read
from ehr_ingestion.notifications.senders import Senders
from isodose.fhir.errors import FhirError, Issue, outcome_of
from isodose.fhir.exchange import Deed, id_of, kind_of
from isodose.fhir.negotiation import FHIR_JSON, body_of
from isodose.fhir.references import relative_to
from isodose.security.callers import CALLER
from isodose.service import Running


def notifications(running: Running) -> APIRouter:
    """The routes; what they answer is FHIR's."""
    router = APIRouter(prefix="/notifications")
    senders = Senders(running.gate)
    settings = running.settings
    relative = relative_to(settings.ehr_fhir_url)

    def admitted(request: Request) -> None:
        caller = senders.admit(request.headers.get("authorization"))
        if caller is not None:
            request.scope[CALLER] = caller

    admission = Depends(admitted)

    async def read_body(request: Request, _admitted: None = admission) -> bytes:
        return await body_of(request, settings.max_body_bytes)

    body = Depends(read_body)

    def answered(request: Request, name: str, notification: Notification) -> Response:
        status, patients = 500, tuple[str, ...]()
        try:
            taken = take(running, name, notification, relative)
            status, patients = 200, taken.patients
            return Response(outcome_of(_said(taken.refused)), media_type=FHIR_JSON)
        except FhirError as error:
            status = error.status
            raise
        finally:
            running.witness(request, Deed("notification", "", "", "", status, patients))

    @router.post("/{name}", openapi_extra=described.NOTIFIED)
    @router.put("/{name}", openapi_extra=described.NOTIFIED)
    def notified(request: Request, name: str, content: bytes = body) -> Response:
        told = read(content, settings.ehr_fhir_url, settings.max_body_bytes)
        return answered(request, name, told)

    @router.post("/{name}/{type}", openapi_extra=described.SENT)
    @router.put("/{name}/{type}/{id}", openapi_extra=described.SENT_BY_ID)
    @router.post("/{name}/{type}/{id}", openapi_extra=described.SENT_BY_ID)
    def sent(request: Request, name: str, content: bytes = body) -> Response:
        kind = kind_of(request)
        told = read(content, settings.ehr_fhir_url, settings.max_body_bytes)
        if told.blind and "id" in request.path_params:
            told = Notification(kind="r4", named=((kind, id_of(request)),))
        return answered(request, name, told)

    @router.delete("/{name}/{type}/{id}", openapi_extra=described.DELETED)
    def deleted(request: Request, name: str, _content: bytes = body) -> Response:
        key = (kind_of(request), id_of(request))
        return answered(request, name, Notification(kind="r4", deleted=(key,)))

    return router


def _said(refused: int) -> list[Issue]:
    if not refused:
        return []
    said = f"{refused} of the resources do not fit R4 and were not kept."
    return [Issue("processing", said, severity="warning")]
