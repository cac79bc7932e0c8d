"""The HTTP of CDS Hooks 2.0: discovery, calls, feedback. A failure never looks like no advice.

https://cds-hooks.hl7.org/2.0/#http-status-codes
"""

from __future__ import annotations

import datetime as dt
import logging
import traceback
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from isodose.cds_hooks import described
from isodose.cds_hooks.admission import admitted
from isodose.cds_hooks.context import read_context
from isodose.cds_hooks.hook import CdsService, HookCall, Recall, discovery
from isodose.cds_hooks.models import Card, Feedback, FeedbackBatch, HookRequest, Link, Source, encode_cards
from isodose.cds_hooks.prefetch import Ehr, Gathered, PrefetchReader
from isodose.cds_hooks.received import parsed
from isodose.cds_hooks.trust import CdsTrust, bearer
from isodose.fhir.errors import (
    FhirError,
    Issue,
    bad_request,
    not_found,
    too_large,
    unsupported_media_type,
)
from isodose.fhir.exchange import Deed
from isodose.fhir.resources import is_id
from isodose.security.callers import CALLER, Caller
from isodose.telemetry import observing

FeedbackSink = Callable[[str, Sequence[Feedback]], None]
Witness = Callable[[Deed, Caller | None, str], None]
_log = logging.getLogger(__name__)


def cds_router(
    services: Sequence[CdsService],
    feedback_sink: FeedbackSink,
    client: Ehr | None = None,
    *,
    today: Callable[[], dt.date],
    worklist_url: Callable[[str], str] = lambda _patient_id: "",
    recall: Recall | None = None,
    ehr_timeout_s: float = 2.0,
    max_body_bytes: int = 20_000_000,
    trust: CdsTrust | None = None,
    witness: Witness | None = None,
) -> APIRouter:
    """The three paths of CDS Hooks for `services`. `feedback_sink` is given a service id and what came of its
    cards, `witness` every call; `recall` reads what the service keeps. With `trust`, a call needs the signed
    token of a trusted client.

    Raises `ValueError` where two services claim one id on one hook.
    """
    listing = orjson.dumps(discovery(services))
    by_hook = {(service.id, service.hook): service for service in services}
    known = {service.id for service in services}
    reader = PrefetchReader(client, timeout_s=ehr_timeout_s)
    router = APIRouter(tags=["CDS Hooks"])
    body = Depends(_bounded_body(max_body_bytes, signed=trust is not None))

    def caller(http: Request, path: str) -> Caller | None:
        if trust is None:
            known_caller: Caller | None = http.scope.get(CALLER)
            return known_caller
        return trust.check(http.headers.get("authorization"), path)

    @router.get("/cds-services", openapi_extra=described.DISCOVERY)
    def discover(http: Request) -> Response:
        caller(http, "/cds-services")
        return _json(listing)

    @router.post("/cds-services/{service_id}", openapi_extra=described.call(known))
    def call(http: Request, service_id: str, content: bytes = body) -> Response:
        who, status, patients = None, 500, tuple[str, ...]()
        try:
            who = caller(http, f"/cds-services/{service_id}")
            _known(service_id, known)
            request = parsed(content, HookRequest)
            patients = _patients(request)
            service = by_hook.get((service_id, request.hook))
            if service is None:
                raise bad_request(f"{service_id} does not answer this hook; see GET /cds-services.", "hook")
            cards = answer(service, request, reader, today(), worklist_url, recall=recall)
            answered = _json(encode_cards(cards))
            observing().carded(service_id, [card.indicator for card in cards])
            status = 200
            return answered
        except FhirError as error:
            status = error.status
            raise
        finally:
            if witness is not None:
                named = service_id if service_id in known else ""
                deed = Deed("cds-call", named, "", "", status, patients)
                witness(deed, who, http.client.host if http.client else "")

    @router.post("/cds-services/{service_id}/feedback", openapi_extra=described.feedback(known))
    def feedback(http: Request, service_id: str, content: bytes = body) -> Response:
        caller(http, f"/cds-services/{service_id}/feedback")
        _known(service_id, known)
        feedback_sink(service_id, parsed(content, FeedbackBatch).feedback)
        return Response(status_code=200)

    return router


def _patients(request: HookRequest) -> tuple[str, ...]:
    named = request.context.get("patientId")
    return (named,) if isinstance(named, str) and is_id(named) else ()


def answer(
    service: CdsService,
    request: HookRequest,
    reader: PrefetchReader,
    on: dt.date,
    worklist_url: Callable[[str], str],
    *,
    recall: Recall | None = None,
) -> list[Card]:
    """The cards for one call. Raises `FhirError`: 400, 412, or 500 where the service itself failed."""
    context = read_context(request.hook, request.context)
    gathered = reader.gather(service, request, context)
    others = (*context.appointments, *gathered.placed)
    hook_call = HookCall(
        service=service.id,
        hook=request.hook,
        hook_instance=str(request.hook_instance),
        patient_id=context.patient_id,
        on=on,
        context=request.context,
        resources=admitted(context.drafts, others, context.patient_id),
        drafts=tuple(draft.resource for draft in context.drafts),
        appointments=tuple(appointment.resource for appointment in context.appointments),
        selections=context.selections,
        unavailable=tuple(gathered.incomplete),
        worklist_url=worklist_url(context.patient_id),
        **({} if recall is None else {"recall": recall}),
    )
    try:
        return _finished(list(service.answer(hook_call)), service, hook_call, gathered)
    except FhirError:
        raise
    except Exception as error:
        _log.error("%s failed: %s", service.id, _where(error))
        raise FhirError(
            500, [Issue("exception", f"{service.id} failed, so its advice is not known.")]
        ) from None


def _finished(cards: list[Card], service: CdsService, call: HookCall, gathered: Gathered) -> list[Card]:
    """The cards with what the protocol asks of each: what was not known, a link, names for the feedback."""
    if not cards and gathered.failed:
        cards = [
            Card(
                summary="Not everything could be checked: part of the record was not available",
                indicator="info",
                source=Source(label=service.title),
            )
        ]
    unknown = [f"> Not available for this answer: {key} ({why})." for key, why in gathered.incomplete.items()]
    finished = []
    for index, card in enumerate(cards):
        changes: dict[str, Any] = {}
        if unknown:
            changes["detail"] = "\n\n".join(filter(None, [card.detail, *unknown]))
        if call.worklist_url and all(link.url != call.worklist_url for link in card.links):
            changes["links"] = (
                *card.links,
                Link(label="Open this patient in the worklist", url=call.worklist_url),
            )
        changes["uuid"] = card.uuid or _name(call, index)
        changes["suggestions"] = tuple(
            suggestion.model_copy(update={"uuid": suggestion.uuid or _name(call, index, number)})
            for number, suggestion in enumerate(card.suggestions)
        )
        finished.append(card.model_copy(update=changes))
    return finished


def _name(call: HookCall, *place: int) -> uuid.UUID:
    return uuid.uuid5(uuid.UUID(call.hook_instance), "/".join([call.service, *map(str, place)]))


def _known(service_id: str, known: set[str]) -> None:
    if service_id not in known:
        raise not_found("No CDS service has this id; GET /cds-services lists those there are.")


def _bounded_body(limit: int, signed: bool) -> Callable[[Request], Awaitable[bytes]]:
    async def read(request: Request) -> bytes:
        if signed:
            bearer(request.headers.get("authorization"))
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json" and not media.endswith("+json"):
            raise unsupported_media_type("Send the body as application/json.")
        if int(request.headers.get("content-length") or 0) > limit:
            raise _too_large(limit)
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit:
                raise _too_large(limit)
        return bytes(content)

    return read


def _too_large(limit: int) -> FhirError:
    return too_large(f"The body is larger than {limit} bytes; send fewer resources.")


def _where(error: Exception) -> str:
    """The kind of an error and the line that raised it; its message may hold values of a patient."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
