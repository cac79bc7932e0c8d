"""Requests to the other services carry the trace on, with a span for each: method, server and status alone.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
"""

from __future__ import annotations

import httpx

from isodose.telemetry.signals import observing


class Traced(httpx.BaseTransport):
    """Sends by `inner`, or over the network."""

    def __init__(self, inner: httpx.BaseTransport | None = None) -> None:
        self._inner = inner or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with observing().calling(request.method, request.url.host, request.url.port) as call:
            request.headers.update(call.headers)
            response = self._inner.handle_request(request)
            call.answered(response.status_code)
            return response

    def close(self) -> None:
        self._inner.close()


class TracedAsync(httpx.AsyncBaseTransport):
    """The same for an asynchronous client."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with observing().calling(request.method, request.url.host, request.url.port) as call:
            request.headers.update(call.headers)
            response = await self._inner.handle_async_request(request)
            call.answered(response.status_code)
            return response

    async def aclose(self) -> None:
        await self._inner.aclose()
