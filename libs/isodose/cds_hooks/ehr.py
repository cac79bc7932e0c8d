"""Reads from the EHR's FHIR server with the token of one call: from listed servers only, within a deadline.

The token goes to the server the call named, when that server is on the list, and nowhere else: not to a
redirect, not to a next page on another host. https://cds-hooks.hl7.org/2.0/#fhir-resource-access
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson

from isodose.cds_hooks.hook import Resource
from isodose.cds_hooks.prefetch import EhrUnavailableError

MAX_PAGES = 50
MAX_BYTES = 20_000_000


class EhrServers:
    """The FHIR servers of EHRs that may be asked, as base URLs."""

    def __init__(self, servers: Sequence[str], transport: httpx.BaseTransport | None = None) -> None:
        self._servers = frozenset(_plain(server) for server in servers)
        self._http = httpx.Client(transport=transport, headers={"accept": "application/fhir+json"})

    def allows(self, base: str) -> bool:
        return _plain(base) in self._servers

    def fetch(self, base: str, query: str, token: str | None, timeout_s: float) -> list[Resource]:
        """See `isodose.cds_hooks.prefetch.Ehr`."""
        if not self.allows(base):
            raise EhrUnavailableError("this FHIR server is not on the list of servers that may be asked")
        deadline = time.monotonic() + timeout_s
        headers = {"authorization": f"Bearer {token}"} if token else {}
        found: list[Resource] = []
        url = urljoin(_plain(base) + "/", query)
        for _page in range(MAX_PAGES):
            if not url.startswith((_plain(base) + "/", _plain(base) + "?")):
                raise EhrUnavailableError("a next page lies outside the FHIR server that was named")
            answer = self._get(url, headers, deadline)
            if answer["resourceType"] != "Bundle":
                return [answer]
            found.extend(_resources(answer))
            following = _next(answer)
            if not following:
                return found
            url = urljoin(url, following)
        raise EhrUnavailableError("the search has more pages than are read for one call")

    def _get(self, url: str, headers: dict[str, str], deadline: float) -> dict[str, Any]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise EhrUnavailableError("the EHR's FHIR server did not answer in time")
        try:
            with self._http.stream("GET", url, headers=headers, timeout=left) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise EhrUnavailableError(f"the EHR's FHIR server answered {answer.status_code}")
                content = _bounded(answer, deadline)
        except httpx.TimeoutException:
            raise EhrUnavailableError("the EHR's FHIR server did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise EhrUnavailableError("the EHR's FHIR server could not be reached") from None
        return _resource(content)


def _bounded(answer: httpx.Response, deadline: float) -> bytes:
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise EhrUnavailableError("the EHR's FHIR server answered with too much")
        if time.monotonic() > deadline:
            raise EhrUnavailableError("the EHR's FHIR server did not answer in time")
    return bytes(content)


def _resource(content: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("resourceType"), str):
        raise EhrUnavailableError("the EHR's FHIR server answered with something other than FHIR in JSON")
    if answer["resourceType"] == "OperationOutcome":
        raise EhrUnavailableError("the EHR's FHIR server answered with an error instead of the data")
    return answer


def _resources(bundle: dict[str, Any]) -> list[Resource]:
    entries = bundle.get("entry") or []
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    known = [r for r in resources if isinstance(r, dict) and isinstance(r.get("resourceType"), str)]
    return [resource for resource in known if resource["resourceType"] != "OperationOutcome"]


def _next(bundle: dict[str, Any]) -> str:
    links = bundle.get("link") or []
    return next((str(link.get("url", "")) for link in links if link.get("relation") == "next"), "")


def _plain(base: str) -> str:
    return base.rstrip("/")
