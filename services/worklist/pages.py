"""The routes of the pages: the clinic, a patient, and the summary for the board, on screen and on paper."""

from __future__ import annotations

import datetime as dt

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from isodose.cds_hooks.cards import OVERRIDE_REASONS, WARNING_REASONS
from isodose.fhir.exchange import Deed
from isodose.fhir.resources import is_id
from isodose.service import Running
from worklist import clinic, described
from worklist.chart import Chart, chart
from worklist.connections import Connections
from worklist.csrf import Csrf
from worklist.merged import Merged
from worklist.needs import BY_CODE, EVERYONE, NEEDS
from worklist.paper import pdf
from worklist.replies import html, message, unread
from worklist.security_headers import HEADERS, KEPT_BY_NOBODY
from worklist.shelf import Shelf
from worklist.sight import sight_of
from worklist.signin.door import SESSION
from worklist.summary import summary
from worklist.timeline.picture import Dates, picture, whole
from worklist.upstream import AwayError

_NOBODY = "There is no patient of this id."


def pages(running: Running, connections: Connections, csrf: Csrf) -> APIRouter:
    router, settings, merged = APIRouter(), running.settings, Merged(running)
    fixed = settings.demonstration_day

    @router.get("/worklist", openapi_extra=described.CLINIC)
    async def worklist(request: Request, need: str = "", name: str = "", place: str = "") -> Response:
        asked = clinic.Asked(need if need in BY_CODE else "", name.strip()[:80], place)
        sight, token = sight_of(request), csrf.token(request)
        try:
            shown = await clinic.page(connections.of(request), running.reading, sight, asked)
        except AwayError as error:
            return unread("Worklist", error, "The patients cannot be read now; try again.")
        values = {
            "asked": asked,
            "page": shown,
            "sight": sight,
            "needs": NEEDS,
            "everyone": EVERYONE,
            "since": shown.since,
            "session": request.scope.get(SESSION),
            "token": token,
            "is_behind": running.is_behind(),
            "fixed_day": fixed,
        }
        running.witness(
            request, Deed("search-type", "Patient", "", "", 200, tuple(s.row.id for s in shown.shown))
        )
        page = html("clinic.html", values)
        csrf.give(page, token)
        return page

    @router.get("/worklist/Patient/{patient_id}", openapi_extra=described.PATIENT)
    async def patient(
        request: Request, patient_id: str, first: str = Query("", alias="from"), to: str = ""
    ) -> Response:
        since = await run_in_threadpool(_last, running)
        one = await _chart(request, patient_id)
        if isinstance(one, Response):
            return one
        full, shown, token = whole(one.record, one.concluded, one.day), _dates(first, to), csrf.token(request)
        values = {
            "chart": one,
            "session": request.scope.get(SESSION),
            "since": since,
            "picture": picture(one.record, one.concluded, one.day, shown),
            "shown": shown or full,
            "is_part": shown is not None,
            "year": (one.day - dt.timedelta(days=275), one.day + dt.timedelta(days=90)),
            "fixed_day": fixed,
            "token": token,
            "reasons": OVERRIDE_REASONS,
            "warning_reasons": WARNING_REASONS,
            "kept": request.query_params.get("kept", ""),
            "answered": request.query_params.get("answered", ""),
            "merged": await merged.into(request, patient_id),
        }
        page = html("patient.html", values)
        csrf.give(page, token)
        return page

    @router.get("/worklist/Patient/{patient_id}/board", openapi_extra=described.BOARD)
    async def board(request: Request, patient_id: str) -> Response:
        since = await run_in_threadpool(_last, running)
        one = await _chart(request, patient_id, "board")
        if isinstance(one, Response):
            return one
        drawn = picture(one.record, one.concluded, one.day)
        values = {"chart": one, "summary": summary(one), "picture": drawn, "since": since, "fixed_day": fixed}
        return html("board.html", values | {"merged": await merged.into(request, patient_id)})

    @router.get("/worklist/Patient/{patient_id}/board.pdf", openapi_extra=described.PAPER)
    async def paper(request: Request, patient_id: str) -> Response:
        one = await _chart(request, patient_id, "board.pdf")
        if isinstance(one, Response):
            return one
        drawn, now = picture(one.record, one.concluded, one.day), dt.datetime.now(dt.UTC)
        content = await run_in_threadpool(pdf, summary(one), drawn, now)
        named = {"content-disposition": 'inline; filename="tumour-board.pdf"'}
        return Response(content, headers=HEADERS | KEPT_BY_NOBODY | named, media_type="application/pdf")

    async def _chart(request: Request, patient_id: str, page: str = "") -> Chart | Response:
        """The patient, their view noted for the audit; or what is said where they cannot be shown."""
        if not is_id(patient_id):
            return message("Not found", _NOBODY, 404)
        onward = await merged.onward(request, patient_id, page)
        if onward is not None:
            return onward
        try:
            one = await chart(connections.of(request), patient_id, settings.today())
        except AwayError as error:
            return unread("Worklist", error, "The patient cannot be read now; try again.")
        if one is None:
            return message("Not found", _NOBODY, 404)
        running.witness(request, Deed("read", "Patient", patient_id, "", 200, (patient_id,)))
        return one

    return router


def _last(running: Running) -> int:
    with running.reading() as work:
        return Shelf(work.conn).last()


def _dates(first: str, last: str) -> Dates | None:
    """The span a reader asked to see; None for what is no span of at least two weeks."""
    try:
        span = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    except ValueError:
        return None
    return span if span[0].year > 1900 and (span[1] - span[0]).days >= 14 and span[1].year < 2200 else None
