"""The routes of the pages: the clinic, a patient, the summary for the tumour board, and their assets."""

from __future__ import annotations

import datetime as dt
from importlib.resources import files

import httpx
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from isodose.cds_hooks.cards import OVERRIDE_REASONS
from isodose.fhir.exchange import Deed
from isodose.security.guard import CALLER
from isodose.service import Running
from worklist import clinic
from worklist.changes import Changes, TooManyError
from worklist.chart import chart
from worklist.csrf import Csrf
from worklist.needs import BY_CODE, EVERYONE, NEEDS
from worklist.replies import client, html, message, unread
from worklist.security_headers import HEADERS, KEPT_BY_NOBODY
from worklist.shelf import Shelf
from worklist.sight import sight_of
from worklist.signin.door import SESSION
from worklist.timeline.picture import Dates, picture, whole
from worklist.upstream import AwayError, Upstream

_NOBODY = "There is no patient of this id."
_NO_PAGE = "There is no such page."


def pages(running: Running, transport: httpx.AsyncBaseTransport | None, csrf: Csrf) -> APIRouter:
    """`transport` carries the reads where the other services are not reached over the network."""
    router, settings = APIRouter(), running.settings
    fixed = settings.demonstration_day

    @router.get("/worklist")
    async def worklist(request: Request, need: str = "", name: str = "", place: str = "") -> Response:
        asked = clinic.Asked(need if need in BY_CODE else "", name.strip()[:80], place)
        sight, token = sight_of(request), csrf.token(request)
        try:
            async with client(request, transport) as http:
                shown = await clinic.page(Upstream(settings, http), running.reading, sight, asked)
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

    @router.get("/worklist/Patient/{patient_id}")
    async def patient(
        request: Request, patient_id: str, first: str = Query("", alias="from"), to: str = ""
    ) -> Response:
        return await _patient(request, patient_id, "patient.html", (first, to))

    @router.get("/worklist/Patient/{patient_id}/board")
    async def board(request: Request, patient_id: str) -> Response:
        return await _patient(request, patient_id, "board.html", ("", ""))

    async def _patient(
        request: Request, patient_id: str, template: str, written: tuple[str, str]
    ) -> Response:
        since = await run_in_threadpool(_last, running)
        try:
            async with client(request, transport) as http:
                one = await chart(Upstream(settings, http), patient_id, settings.today())
        except AwayError as error:
            return unread("Worklist", error, "The patient cannot be read now; try again.")
        if one is None:
            return message("Not found", _NOBODY, 404)
        token = csrf.token(request)
        full, shown = whole(one.record, one.concluded, one.day), _dates(*written)
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
            "kept": request.query_params.get("kept", ""),
            "answered": request.query_params.get("answered", ""),
        }
        running.witness(request, Deed("read", "Patient", patient_id, "", 200, (patient_id,)))
        page = html(template, values)
        csrf.give(page, token)
        return page

    changes = Changes(running.reading, running.leaving.is_set)

    @router.get("/worklist/changes")
    async def changed(request: Request, since: int = 0, patient: str = "") -> Response:
        """Server-sent events for the page that is open: of all patients that may be seen, or of one."""
        may_see, told = sight_of(request).patients, request.headers.get("last-event-id", "")
        if may_see == frozenset() or (patient and may_see is not None and patient not in may_see):
            return message("Worklist", "Your access does not include this.", 403)
        try:
            changes.check()
        except TooManyError:
            return Response(status_code=503, headers=HEADERS | {"retry-after": "60"})
        until = request.scope.get(SESSION) or request.scope.get(CALLER)
        events = changes.stream(
            {patient} if patient else may_see,
            int(told) if told.isdecimal() else since,
            until.until if until else float("inf"),
        )
        headers = HEADERS | KEPT_BY_NOBODY | {"x-accel-buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    @router.get("/worklist/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            return message("Not found", _NO_PAGE, 404)
        content, media_type = _ASSETS[name]
        return Response(content, media_type=media_type, headers=HEADERS | {"cache-control": "max-age=3600"})

    return router


_ASSETS = {
    name: (files("worklist.assets").joinpath(name).read_bytes(), media_type)
    for name, media_type in (
        ("worklist.css", "text/css"),
        ("intake.js", "text/javascript"),
        ("live.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}


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
