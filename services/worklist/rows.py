"""What the clinic page says of one patient, and the reading of some patients at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from worklist import wording
from worklist.upstream import MOST, AwayError, Service, Upstream

Json = dict[str, Any]
_PAGES = 5


@dataclass(frozen=True)
class Row:
    """One patient. A value of None was not to be had, because its service is away."""

    id: str
    name: str
    born: str
    scans: list[Json] | None = None
    tasks: list[Json] | None = None
    alerts: list[Json] | None = None
    guidance: list[Json] | None = None
    groups: list[Json] | None = None

    @property
    def waiting(self) -> list[Json]:
        """Alerts that nobody has answered, the most severe first."""
        return [alert for alert in self.alerts or () if not wording.is_answered(alert)]

    @property
    def answered(self) -> int:
        return len(self.alerts or ()) - len(self.waiting)

    @property
    def leading(self) -> Json | None:
        return wording.leading_option(self.groups or ())

    @property
    def standing(self) -> str:
        return wording.words_of((self.leading or {}).get("code", [None, None])[1:2])

    @property
    def said(self) -> str:
        """Why no option leads."""
        return wording.without_leader(self.groups or ())

    @property
    def wanted(self) -> list[tuple[str, str]]:
        return wording.wanted_facts(self.guidance or ())

    @property
    def is_overdue(self) -> bool:
        return any(map(wording.is_overdue, self.tasks or ()))

    @property
    def next_scan(self) -> Json | None:
        return self.scans[0] if self.scans else None


async def rows_of(upstream: Upstream, patient_ids: Sequence[str]) -> list[Row]:
    """These patients, in this order, without their options. Five requests."""
    if not patient_ids:
        return []
    ids = ",".join(patient_ids)
    patients, scans, tasks, alerts, guidance = await asyncio.gather(
        upstream.search("record", "Patient", {"_id": ids, "_count": MOST}),
        _each(upstream, "plans", "ServiceRequest", "subject", ids),
        _each(upstream, "plans", "Task", "patient", ids),
        _each(upstream, "alerts", "DetectedIssue", "patient", ids),
        _each(upstream, "options", "GuidanceResponse", "subject", ids),
    )
    known = {patient["id"]: patient for patient in patients.resources}
    return [
        Row(
            id=key,
            name=wording.name_of(known[key]),
            born=str(known[key].get("birthDate", "")),
            scans=None if scans is None else wording.open_scans(scans.get(key, [])),
            tasks=None if tasks is None else wording.open_tasks(tasks.get(key, [])),
            alerts=None if alerts is None else wording.open_alerts(alerts.get(key, [])),
            guidance=None if guidance is None else _standing(guidance.get(key, [])),
        )
        for key in patient_ids
        if key in known
    ]


async def with_options(upstream: Upstream, shown: Sequence[Row]) -> list[Row]:
    """The rows with their options. One request."""
    if not shown:
        return []
    ids = ",".join(row.id for row in shown)
    groups = await _each(upstream, "options", "RequestGroup", "subject", ids)
    return [
        replace(row, groups=None if groups is None else _standing(groups.get(row.id, []))) for row in shown
    ]


async def _each(
    upstream: Upstream, service: Service, kind: str, about: str, ids: str
) -> dict[str, list[Json]] | None:
    """What was found by patient; None where the service is away or tells more than can be read at once.

    Sorted by patient and without a status the search reads these patients alone, however many there are.
    """
    by_patient: dict[str, list[Json]] = {}
    query = {about: ids, "_sort": about, "_count": MOST}
    for _ in range(_PAGES):
        try:
            found = await upstream.search(service, kind, query)
        except AwayError:
            return None
        for one in found.resources:
            by_patient.setdefault(wording.patient_of(one), []).append(one)
        if not found.following:
            return by_patient
        query["_cursor"] = found.following
    return None


def _standing(results: Sequence[Json]) -> list[Json]:
    """Those that were not withdrawn."""
    return [one for one in results if one.get("status") not in ("revoked", "entered-in-error")]
