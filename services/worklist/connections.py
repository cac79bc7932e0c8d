"""The connections to the other services: opened once in a process, and kept open between pages."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from fastapi import Request

from isodose.settings import Settings
from isodose.telemetry import TracedAsync
from worklist.upstream import Upstream

_TIMEOUT_S = 10
_IDLE_S = 4
"""Shorter than the five seconds after which the services' own server closes an idle connection."""
_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=_IDLE_S)


class Connections:
    """`transport` carries what is asked where the other services are not reached over the network."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            transport=TracedAsync(transport or httpx.AsyncHTTPTransport(limits=_LIMITS)),
            timeout=_TIMEOUT_S,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    def of(self, request: Request) -> Upstream:
        """Reads and writes with the very token of whoever sent the request, so that nobody sees more here
        than elsewhere. Nothing that an answer sets is kept for the next reader.
        """
        token = request.headers.get("authorization")
        return Upstream(self._settings, self._http, {"authorization": token} if token else {})

    async def close(self) -> None:
        await self._http.aclose()
