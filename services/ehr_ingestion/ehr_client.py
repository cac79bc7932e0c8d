"""The EHR's FHIR server over HTTP: asked with a token of our own, politely, and never another server.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from isodose.fhir.negotiation import FHIR_JSON
from isodose.security.backend_auth import NoTokenError

ATTEMPTS = 5
LONGEST_WAIT_S = 120.0
WAIT_AGAIN = frozenset({429, 502, 503, 504})


class EhrAwayError(Exception):
    """The EHR did not give what was asked; the message names the type, and no patient.

    `status` is what it answered, where it did; `after_s` how long it asks to wait.
    """

    def __init__(self, said: str, status: int | None = None, after_s: float = 0.0) -> None:
        self.status = status
        self.after_s = after_s
        super().__init__(said)


class EhrClient:
    """One FHIR server. It waits as long as it is told, longer each time it is refused, and keeps within
    `per_minute` requests a minute (0: no limit). Threads may share it.

    It is asked for what is there now: HAPI's answers the same search from its memory for a minute otherwise.
    """

    def __init__(  # noqa: PLR0917
        self,
        base: str,
        authorization: Callable[[], Mapping[str, str]] = dict,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = ATTEMPTS,
        per_minute: int = 0,
    ) -> None:
        self.base = base.rstrip("/")
        self._authorization = authorization
        self._http = httpx.Client(transport=transport, timeout=30, follow_redirects=False)
        weakref.finalize(self, self._http.close)
        self.sleep = sleep
        self._attempts = attempts
        self._apart_s = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def holds(self, url: str) -> bool:
        """Whether an address lies within this FHIR server."""
        return url.startswith((f"{self.base}/", f"{self.base}?"))

    def request(
        self,
        method: str,
        path: str,
        what: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, unless it says to come again. `path` is relative to the base or an address within it;
        `what` names it in messages. Raises `EhrAwayError`.
        """
        url = path if path.startswith(("http://", "https://")) else f"{self.base}/{path}"
        if not self.holds(url):
            raise EhrAwayError(f"an address for {what} lies outside the EHR's FHIR server")
        said = f"the EHR is not reached for {what}"
        for attempt in range(self._attempts):
            told = None
            try:
                self._pace()
                answer = self._http.request(
                    method, url, content=content, headers=self._headers(content, headers)
                )
            except httpx.HTTPError as error:
                said = f"the EHR is not reached for {what}: {type(error).__name__}"
            except NoTokenError as error:
                raise EhrAwayError(str(error)) from None
            else:
                if answer.status_code not in WAIT_AGAIN:
                    return answer
                said = f"the EHR was asked {attempt + 1} times for {what} and is too busy"
                told = answer.headers.get("retry-after")
            after_s = pause(attempt, told)
            if attempt + 1 < self._attempts:
                self.sleep(after_s)
        raise EhrAwayError(said, after_s=after_s)

    @contextmanager
    def stream(
        self, url: str, what: str, headers: Mapping[str, str], *, token: bool
    ) -> Iterator[httpx.Response]:
        """The answer to a read while it is still coming. Raises `EhrAwayError`, and httpx.HTTPError when it
        breaks off.

        Without `token` the address may be another server's, which then gets no token; never one without
        encryption when the EHR's own has it.
        """
        if (token and not self.holds(url)) or (
            self.base.startswith("https:") and not url.startswith("https:")
        ):
            raise EhrAwayError(f"an address for {what} lies outside the EHR's server")
        self._pace()
        sent = {**headers, **(self._authorization() if token else {})}
        with self._http.stream("GET", url, headers=sent) as answer:
            yield answer

    def _headers(self, content: bytes | None, more: Mapping[str, str] | None) -> dict[str, str]:
        sent = {"content-type": FHIR_JSON} if content is not None else {}
        fresh = {"accept": FHIR_JSON, "cache-control": "no-cache"}
        return {**fresh, **sent, **(more or {}), **self._authorization()}

    def _pace(self) -> None:
        """Wait for the next place among the requests of a minute."""
        if not self._apart_s:
            return
        with self._lock:
            now = time.monotonic()
            wait = max(self._next - now, 0.0)
            self._next = max(self._next, now) + self._apart_s
        if wait:
            self.sleep(wait)


def object_in(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; an empty one where it holds anything else."""
    try:
        told = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def pause(attempt: int, told: str | None, longest: float = LONGEST_WAIT_S) -> float:
    """Seconds to wait: what the server asks for, else twice as long each time, never all callers at once."""
    asked = _seconds(told) if told is not None else None
    if asked is not None:
        return min(asked, longest)
    return min(2.0**attempt, 30.0) * random.uniform(0.5, 1.0)  # noqa: S311


def _seconds(told: str) -> float | None:
    """What `Retry-After` says, in seconds from now: a number or a date, else nothing."""
    if told.strip().isdigit():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
