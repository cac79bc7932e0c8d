"""What the pages show, read over FHIR. A service that is away is said to be away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from isodose.settings import Settings

Json = dict[str, Any]
PAGES = 20
_OPEN_ISSUE = ("registered", "preliminary", "final", "amended", "corrected")
_OPEN_TASK = ("requested", "ready", "in-progress", "draft", "on-hold", "accepted", "received")


class AwayError(Exception):
    """A service did not answer; the message names it and says no more."""


class RefusedError(AwayError):
    """A service does not show this to whoever is asking."""


@dataclass(frozen=True)
class Row:
    """One patient. A value of None was not to be had, because its service is away."""

    id: str
    name: str
    born: str
    options: list[Json] | None
    scans: list[Json] | None
    tasks: list[Json] | None
    alerts: list[Json] | None


class Reader:
    """Reads the patients and what was concluded on them from the services' FHIR bases."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._client = client
        self._ehr = f"{settings.ehr_ingestion_url}/fhir"
        self._options = f"{settings.eligibility_scoring_url}/fhir"
        self._plans = f"{settings.are_surveillance_url}/fhir"
        self._alerts = f"{settings.ici_steroid_alerts_url}/fhir"

    async def all(self) -> list[Row]:
        """Every patient. Raises `AwayError` where the patients themselves cannot be read."""
        return await self._rows({"_count": "200"}, {})

    async def one(self, patient_id: str) -> Row | None:
        """One patient, or None when there is none of this id."""
        rows = await self._rows({"_id": patient_id}, {"patient": f"Patient/{patient_id}"})
        return rows[0] if rows else None

    async def _rows(self, which: dict[str, str], whose: dict[str, str]) -> list[Row]:
        patients, groups, scans, tasks, alerts = await asyncio.gather(
            self._search(self._ehr, "Patient", which),
            self._try(self._options, "RequestGroup", {"status": "active"} | whose),
            self._try(self._plans, "ServiceRequest", {"status": "active,draft"} | whose),
            self._try(self._plans, "Task", whose),
            self._try(self._alerts, "DetectedIssue", whose),
        )
        return [
            Row(
                id=patient["id"],
                name=_name(patient),
                born=patient.get("birthDate", ""),
                options=_of(groups, patient["id"]),
                scans=_sorted(_of(scans, patient["id"])),
                tasks=_open(_of(tasks, patient["id"]), _OPEN_TASK),
                alerts=_open(_of(alerts, patient["id"]), _OPEN_ISSUE),
            )
            for patient in patients
        ]

    async def _try(self, base: str, kind: str, query: dict[str, str]) -> list[Json] | None:
        try:
            return await self._search(base, kind, query)
        except AwayError:
            return None

    async def _search(self, base: str, kind: str, query: dict[str, str]) -> list[Json]:
        url: httpx.URL | None = httpx.URL(f"{base}/{kind}", params={"_count": "200"} | query)
        found: list[Json] = []
        for _ in range(PAGES):
            if url is None:
                break
            page = await self._get(url)
            found += [
                entry["resource"]
                for entry in page.get("entry", [])
                if entry.get("resource", {}).get("resourceType") == kind
            ]
            following = [link["url"] for link in page.get("link", []) if link.get("relation") == "next"]
            url = httpx.URL(following[0]) if following else None
        return found

    async def _get(self, url: httpx.URL) -> Json:
        try:
            answer = await self._client.get(url, headers={"accept": "application/fhir+json"})
            if answer.status_code in (401, 403):
                raise RefusedError("the access does not include this")
            answer.raise_for_status()
            page: Json = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise AwayError(f"{url.host}:{url.port} does not answer") from error
        return page


def _name(patient: Json) -> str:
    for name in patient.get("name", []):
        text = name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip()
        if text:
            return str(text)
    return str(patient["id"])


def _of(resources: list[Json] | None, patient_id: str) -> list[Json] | None:
    if resources is None:
        return None
    return [one for one in resources if _patient(one) == f"Patient/{patient_id}"]


def _patient(resource: Json) -> str:
    holder = resource.get("subject") or resource.get("patient") or resource.get("for") or {}
    return str(holder.get("reference", ""))


def _open(resources: list[Json] | None, statuses: tuple[str, ...]) -> list[Json] | None:
    return None if resources is None else [one for one in resources if one.get("status") in statuses]


def _sorted(scans: list[Json] | None) -> list[Json] | None:
    if scans is None:
        return None
    return sorted(scans, key=lambda scan: scan.get("occurrencePeriod", {}).get("start", "9999"))
