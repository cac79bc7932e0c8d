"""What the clinic page says of one patient, and the reading of some patients at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from worklist import wording
from worklist.upstream import MOST, AwayError, Service, Upstream

Json = dict[str, Any]


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
        _each(upstream, "plans", "ServiceRequest", {"subject": ids, "status": "active,draft"}),
        _each(upstream, "plans", "Task", {"patient": ids}),
        _each(upstream, "alerts", "DetectedIssue", {"patient": ids}),
        _each(upstream, "options", "GuidanceResponse", {"subject": ids, "status": "success,data-required"}),
    )
    known = {patient["id"]: patient for patient in patients.resources}
    return [
        Row(
            id=key,
            name=wording.name_of(known[key]),
            born=str(known[key].get("birthDate", "")),
            scans=None if scans is None else sorted(scans.get(key, []), key=_start),
            tasks=None if tasks is None else wording.open_tasks(tasks.get(key, [])),
            alerts=None if alerts is None else wording.open_alerts(alerts.get(key, [])),
            guidance=None if guidance is None else guidance.get(key, []),
        )
        for key in patient_ids
        if key in known
    ]


async def with_options(upstream: Upstream, shown: Sequence[Row]) -> list[Row]:
    """The rows with their options. One request."""
    if not shown:
        return []
    query = {"subject": ",".join(row.id for row in shown), "status": "active"}
    groups = await _each(upstream, "options", "RequestGroup", query)
    return [replace(row, groups=None if groups is None else groups.get(row.id, [])) for row in shown]


async def _each(
    upstream: Upstream, service: Service, kind: str, query: Mapping[str, str]
) -> dict[str, list[Json]] | None:
    """What was found by patient; None where the service is away."""
    try:
        found = await upstream.search(service, kind, {"_count": MOST, **query})
    except AwayError:
        return None
    by_patient: dict[str, list[Json]] = {}
    for one in found.resources:
        by_patient.setdefault(wording.patient_of(one), []).append(one)
    return by_patient


def _start(scan: Json) -> str:
    return str(scan.get("occurrencePeriod", {}).get("start", "9999"))
