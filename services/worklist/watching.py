"""The route by which open pages learn of changes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from isodose.security.callers import CALLER
from isodose.service import Running
from worklist import described
from worklist.changes import Changes, TooManyError
from worklist.replies import message
from worklist.security_headers import HEADERS, KEPT_BY_NOBODY
from worklist.sight import sight_of
from worklist.signin.door import SESSION


def changing(running: Running) -> APIRouter:
    router = APIRouter()
    changes = Changes(running.reading, running.leaving.is_set)

    @router.get("/worklist/changes", openapi_extra=described.CHANGES)
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

    return router
