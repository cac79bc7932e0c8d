"""What a browser holds is turned into a token at the door: behind it a request is like any other.

The token is made of the key that the services share, for the one who signed in, with their scopes and their
patient; it holds a minute. Whoever holds neither session nor token is asked to sign in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from isodose.security.callers import ServiceKey
from worklist.security_headers import HEADERS, KEPT_BY_NOBODY
from worklist.signin.sessions import Sessions

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SESSION = "isodose.session"
BY_ITSELF = "x-isodose-by-itself"
"""The header of requests that a page makes without anybody doing something: they keep no session alive."""
_OPEN = ("/worklist/launch", "/worklist/callback", "/worklist/sign-out", "/worklist/assets/")


class Door:
    """ASGI: gives a request the token of its session, or sends the browser to sign in."""

    def __init__(self, app: ASGIApp, sessions: Sessions, key: ServiceKey, cookie: str) -> None:
        self._app = app
        self._sessions = sessions
        self._key = key
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_page(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if "authorization" in request.headers:
            await self._app(scope, receive, send)
            return
        by_itself = scope["path"] == "/worklist/changes" or BY_ITSELF in request.headers
        held = request.cookies.get(self._cookie, "")
        session = await run_in_threadpool(self._sessions.of, held, not by_itself) if held else None
        if session is not None:
            token = self._key.delegated("worklist", session.user, session.scopes, session.patient)
            headers = [*scope["headers"], (b"authorization", f"Bearer {token}".encode())]
            await self._app(dict(scope, headers=headers) | {SESSION: session}, receive, send)
        elif request.method == "GET" and not by_itself:
            await _to_sign_in(request)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_page(self, path: str) -> bool:
        inside = path == "/worklist" or path.startswith("/worklist/")
        return inside and not path.startswith(_OPEN)


def _to_sign_in(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    to = quote(f"{request.url.path}{query}", safe="")
    headers = HEADERS | KEPT_BY_NOBODY | {"location": f"/worklist/launch?to={to}"}
    return Response(status_code=303, headers=headers)
