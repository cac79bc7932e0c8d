"""Every answer carries the id of its request: the caller's when it sent a plain one, else a new one, and then
the caller's beside it where it can stand in a header.

https://hl7.org/fhir/R4/http.html#customheaders
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME = b"x-request-id"
_THEIRS = b"x-correlation-id"
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SAYABLE = re.compile(rb"[A-Za-z0-9 !#$%&'*+,./:;=?@^_`{|}~()\[\]-]{1,200}")


class RequestId:
    """ASGI: `X-Request-Id` on the way out, and `X-Correlation-Id` where the caller's own id was not taken."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _NAME), b"")
        taken = _PLAIN.fullmatch(given) is not None
        said = [(_NAME, given if taken else uuid.uuid4().hex.encode())]
        if not taken and _SAYABLE.fullmatch(given):
            said.append((_THEIRS, given))

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *said]}
            await send(message)

        await self._app(scope, receive, named)
