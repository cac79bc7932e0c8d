"""No caller takes more than its share: so many requests a minute, then 429 and when to come back."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from isodose.fhir.errors import FhirError, Issue, outcome
from isodose.security.callers import CALLER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_CALLERS = 10_000
_FREE = ("/healthz", "/readyz", "/metrics")


class Shares:
    """What each caller has left. A caller may use a whole minute's share at once, and it grows again
    evenly.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, caller: str, *, take: bool = True) -> float:
        """0, or how many seconds this caller has to wait because nothing of its share is left. One request is
        taken of the share unless `take` says otherwise.
        """
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(caller, (float(self._per_minute), now))
            left = min(self._per_minute, left + (now - at) * self._per_minute / 60)
            wait = 0.0 if left >= 1 else (1 - left) * 60 / self._per_minute
            self._left[caller] = (left - 1 if take and not wait else left, now)
            while len(self._left) > MOST_CALLERS:
                self._left.popitem(last=False)
        return wait


class Limited:
    """ASGI: 429 with Retry-After for a caller that asks too often. A caller is a client, or else an
    address.
    """

    def __init__(self, app: ASGIApp, shares: Shares) -> None:
        self._app = app
        self._shares = shares

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(_FREE):
            await self._app(scope, receive, send)
            return
        caller = scope.get(CALLER)
        wait = self._shares.wait_s(f"client {caller.client}" if caller else f"address {address_of(scope)}")
        if not wait:
            await self._app(scope, receive, send)
            return
        await too_many(send, wait)


async def too_many(send: Send, wait_s: float) -> None:
    """Answer 429 and when to come back."""
    seconds = math.ceil(wait_s)
    issue = Issue("throttled", f"Too many requests; ask again in {seconds} s.")
    headers = [(b"content-type", b"application/fhir+json"), (b"retry-after", str(seconds).encode())]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": outcome(FhirError(429, [issue]))})


def address_of(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])
