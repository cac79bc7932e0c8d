"""A span, two metrics and a log line for each request, named by its route and never by its path."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from isodose.telemetry.signals import Signals

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("isodose.http")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNTRACED = ("/healthz", "/readyz", "/metrics")


class Observed:
    """ASGI: tells `signals` of each request."""

    def __init__(self, app: ASGIApp, signals: Signals) -> None:
        self._app = app
        self._signals = signals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(_UNTRACED):
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._signals.answering(method, _traceparent(scope), scope.get("scheme", "http")) as span:
            try:
                await self._app(scope, receive, watch)
            finally:
                seconds = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "unmatched")
                self._signals.answered(span, method, route, status, seconds)
                told = {
                    "service": self._signals.service,
                    "method": method,
                    "route": route,
                    "status": status,
                }
                _log.info("answered", extra=told | {"ms": round(seconds * 1000, 1)})


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value.decode("latin-1"))
    return None
