"""The routes of signing in and out: launched from the EHR, or begun here.

https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

import re
import secrets
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from worklist import described
from worklist.csrf import FIELD, Csrf, ForgedError
from worklist.replies import form_of, message, see
from worklist.signin.ehr import Client, SignInError
from worklist.signin.sessions import BEGUN_S, Begun, Sessions

_WITHIN = re.compile(r"/worklist(/(?!\.)[A-Za-z0-9._~%-]+)*(\?[A-Za-z0-9._~%&=+-]*)?")
_UNASKED = "This answer belongs to no sign-in of this browser, or to one too long ago. Begin again."
_FORGED = "This form did not come from a page that your browser was given."


class Cookies:
    """The names of the browser's cookies, bound to this host where browsers reach the pages by https."""

    def __init__(self, secure: bool) -> None:
        self._secure = secure
        self.session = "__Host-isodose-session" if secure else "isodose-session"
        self.begun = "__Host-isodose-sign-in" if secure else "isodose-sign-in"

    def give(self, response: Response, name: str, value: str, max_age: int | None = None) -> None:
        """Lax: the EHR's redirect back must carry it, and another site's form must not."""
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def forget(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")


def signing_in(client: Client, sessions: Sessions, cookies: Cookies, csrf: Csrf) -> APIRouter:
    router = APIRouter()

    @router.get("/worklist/launch", openapi_extra=described.LAUNCH)
    async def launch(iss: str = "", launch: str = "", to: str = "") -> Response:
        try:
            issuer = client.known(iss)
            place = await client.place(issuer)
        except SignInError as error:
            return message("Not signed in", str(error), 403)
        begun = Begun(issuer, secrets.token_urlsafe(64), secrets.token_urlsafe(24), _within(to))
        state = await run_in_threadpool(sessions.begin, begun)
        answer = see(client.address(place, begun, state, launch[:2_000]))
        cookies.give(answer, cookies.begun, state, int(BEGUN_S))
        return answer

    @router.get("/worklist/callback", openapi_extra=described.CALLBACK)
    async def callback(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        held = request.cookies.get(cookies.begun, "")
        begun = (
            await run_in_threadpool(sessions.take, state)
            if held and secrets.compare_digest(held, state)
            else None
        )
        if begun is None:
            return message("Not signed in", _UNASKED, 403)
        if error or not code:
            return message(
                "Not signed in", f"The EHR did not let you in: {error[:80] or 'it gave no code'}.", 403
            )
        try:
            place = await client.place(begun.issuer)
            who = await client.exchange(place, begun, code)
        except SignInError as refused:
            return message("Not signed in", str(refused), 403)
        name = await run_in_threadpool(sessions.open, who.user, who.scopes, who.patient)
        to = f"/worklist/Patient/{quote(who.patient, safe='')}" if who.patient else begun.to
        answer = see(to)
        cookies.give(answer, cookies.session, name)
        cookies.forget(answer, cookies.begun)
        return answer

    @router.post("/worklist/sign-out", openapi_extra=described.SIGN_OUT)
    async def sign_out(request: Request) -> Response:
        form = await form_of(request)
        try:
            csrf.check(request, form.get(FIELD, ""))
        except ForgedError:
            return message("Still signed in", _FORGED, 403)
        await run_in_threadpool(sessions.close, request.cookies.get(cookies.session, ""))
        answer = message(
            "Signed out", "You are signed out here. Close the EHR's own window too.", 200, "/worklist"
        )
        cookies.forget(answer, cookies.session)
        return answer

    return router


def _within(to: str) -> str:
    """An address of these pages; the clinic for any other."""
    return to if _WITHIN.fullmatch(to) else "/worklist"
