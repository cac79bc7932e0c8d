"""Every answer carries the id of its request: the caller's when it sent a plain one, else a new one.

https://hl7.org/fhir/R4/http.html#customheaders
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME = b"x-request-id"
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """ASGI: `X-Request-Id` on the way out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _NAME), b"")
        known = given if _PLAIN.fullmatch(given) else uuid.uuid4().hex.encode()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (_NAME, known)]}
            await send(message)

        await self._app(scope, receive, named)
