"""Reads and writes the other services over FHIR, with the token of whoever looks; one that is away is said
to be away.

No link that an answer holds is ever followed: every address asked is one of the four bases of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import orjson

from isodose.settings import Settings

Json = dict[str, Any]
Service = Literal["record", "options", "plans", "alerts"]
MOST = "1000"
_FHIR = {"accept": "application/fhir+json", "content-type": "application/fhir+json"}


class AwayError(Exception):
    """A service did not answer; the message names it and says no more."""


class RefusedError(AwayError):
    """A service does not show this to whoever is asking."""


class NotThereError(AwayError):
    """The service answers that there is no such thing."""


class NotTakenError(Exception):
    """A service did not take what was sent: the issues of its OperationOutcome."""

    def __init__(self, issues: list[Json]) -> None:
        super().__init__(f"{len(issues)} issues")
        self.issues = issues


@dataclass(frozen=True)
class Found:
    """The matches of one search, and the position where the next page begins (empty: no more)."""

    resources: list[Json]
    following: str = ""


class Upstream:
    """The FHIR bases of the four services, asked with `headers`. Every method is one request."""

    def __init__(
        self, settings: Settings, client: httpx.AsyncClient, headers: Mapping[str, str] | None = None
    ) -> None:
        self._client = client
        self._headers = _FHIR | dict(headers or {})
        self._bases: dict[Service, str] = {
            "record": f"{settings.ehr_ingestion_url}/fhir",
            "options": f"{settings.eligibility_scoring_url}/fhir",
            "plans": f"{settings.are_surveillance_url}/fhir",
            "alerts": f"{settings.ici_steroid_alerts_url}/fhir",
        }

    async def search(self, service: Service, kind: str, query: Mapping[str, str]) -> Found:
        """One page of the matches of `query`."""
        page = await self._ask("GET", service, kind, params={"_total": "none"} | dict(query))
        entries = page.get("entry", [])
        found = [e["resource"] for e in entries if e.get("resource", {}).get("resourceType") == kind]
        links = [link["url"] for link in page.get("link", []) if link.get("relation") == "next"]
        return Found(found, parse_qs(urlsplit(links[0]).query).get("_cursor", [""])[0] if links else "")

    async def everything(self, patient_id: str) -> list[Json] | None:
        """All that is stored on one patient; None when there is none of this id."""
        try:
            page = await self._ask("GET", "record", f"Patient/{quote(patient_id, safe='')}/$everything")
        except NotThereError:
            return None
        return [e["resource"] for e in page.get("entry", []) if "resource" in e]

    async def explained(self, service: Service, patient_id: str) -> Json | None:
        """The `Parameters` of a decision of the day, with the findings that the answer itself names and what
        they rest on; None where the service knows no such patient yet, or one who was merged into another.
        """
        return await self._assess(service, patient_id, "named", explain=True)

    async def concluded(self, service: Service, patient_id: str) -> Json | None:
        """The same without any findings: the resources about the patient as they stand on the day."""
        return await self._assess(service, patient_id, "resources", explain=False)

    async def _assess(self, service: Service, patient_id: str, show: str, explain: bool) -> Json | None:
        asked: list[Json] = [
            {"name": "subject", "valueReference": {"reference": f"Patient/{patient_id}"}},
            {"name": "explain", "valueBoolean": explain},
            {"name": "show", "valueCode": show},
        ]
        body = {"resourceType": "Parameters", "parameter": asked}
        try:
            return await self._ask("POST", service, "$assess", json=body)
        except (NotThereError, NotTakenError):
            return None

    async def read(self, service: Service, path: str, query: Mapping[str, str] | None = None) -> Json:
        """One resource, or the answer of an operation that is asked by GET."""
        return await self._ask("GET", service, path, params=dict(query or {}))

    async def create(self, resource: Json, unless: str) -> None:
        """Add a resource to the record, unless one fits this search. Raises `NotTakenError`."""
        await self._ask("POST", "record", resource["resourceType"], {"if-none-exist": unless}, json=resource)

    async def put(self, resource: Json) -> None:
        """Write a resource of the record anew. Raises `NotTakenError`."""
        await self._ask("PUT", "record", f"{resource['resourceType']}/{resource['id']}", json=resource)

    async def answer(
        self, alert_id: str, outcome: str, reason: Mapping[str, str] | None, comment: str
    ) -> None:
        """Keep what a clinician answered to an alert. Raises `NotTakenError`."""
        given: list[Json] = [{"name": "outcome", "valueCode": outcome}]
        given += [{"name": "reason", "valueCoding": dict(reason)}] if reason else []
        given += [{"name": "comment", "valueString": comment}] if comment else []
        parameters = {"resourceType": "Parameters", "parameter": given}
        await self._ask(
            "POST", "alerts", f"DetectedIssue/{quote(alert_id, safe='')}/$answer", json=parameters
        )

    async def _ask(
        self, method: str, service: Service, path: str, headers: Mapping[str, str] | None = None, **given: Any
    ) -> Json:
        url, sent = httpx.URL(f"{self._bases[service]}/{path}"), self._headers | dict(headers or {})
        try:
            answer = await self._client.request(method, url, headers=sent, **given)
            if answer.status_code in (401, 403):
                raise RefusedError("the access does not include this")
            if answer.status_code in (404, 410):
                raise NotThereError(f"{url.host}:{url.port} has no such thing")
            if answer.status_code in (400, 409, 412, 422):
                raise NotTakenError(orjson.loads(answer.content).get("issue", []))
            answer.raise_for_status()
            page = orjson.loads(answer.content)
        except (httpx.HTTPError, ValueError) as error:
            raise AwayError(f"{url.host}:{url.port} does not answer") from error
        if not isinstance(page, dict):
            raise AwayError(f"{url.host}:{url.port} does not answer in FHIR")
        return page
