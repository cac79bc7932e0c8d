"""One patient as the page shows them: five requests, whatever the length of the history."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from isodose.clinical.record import PatientRecord
from isodose.mcode import build_record
from worklist import wording
from worklist.said import Assessment, Finding, Option, read
from worklist.timeline.lesions import lesion_names
from worklist.timeline.picture import Concluded
from worklist.upstream import MOST, AwayError, Found, Upstream

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Chart:
    """A patient. An assessment, or `alerts`, of None was not to be had, because its service is away."""

    id: str
    name: str
    born: str
    record: PatientRecord
    day: dt.date
    options: Assessment | None
    plans: Assessment | None
    checks: Assessment | None
    alerts: list[Json] | None

    @cached_property
    def names(self) -> dict[str, str]:
        """Each lesion by name."""
        return lesion_names(self.record)

    @property
    def tasks(self) -> list[Json] | None:
        return None if self.plans is None else wording.open_tasks(self.plans.of_type("Task"))

    @property
    def wanted(self) -> list[tuple[str, str, list[Option]]]:
        """The facts that are missing, the most decisive first, each with the options that hang on it."""
        if self.options is None:
            return []
        listed = wording.wanted_facts(self.options.of_type("GuidanceResponse"))
        return [(n, said, [o for o in self.options.options if n in o.missing]) for n, said in listed]

    @property
    def ordered_options(self) -> list[Option]:
        """The options in the order of the RequestGroup: the leading one first."""
        if self.options is None:
            return []
        groups = self.options.of_type("RequestGroup")
        titles = [a.get("title") for group in groups for a in group.get("action", [])]
        place = {title: index for index, title in enumerate(titles)}
        return sorted(self.options.options, key=lambda o: place.get(o.title, len(place)))

    @property
    def without_leader(self) -> str:
        """Why no option leads."""
        return wording.without_leader(self.options.of_type("RequestGroup") if self.options else ())

    @property
    def questions(self) -> list[Finding]:
        """What the review leaves open and the board has to weigh."""
        return self.options.statements.questions() if self.options else []

    def argument(self, question: Finding, code: str) -> Finding | None:
        """What an entry says on a side of a question, about the very lesion or plan that is in question."""
        return self.options.statements.about(code, question.applies_to) if self.options else None

    def ground(self, code: str) -> Finding | None:
        """What an alert rests on, as the service says it that told the alert; None where it does not hold."""
        found = self.checks.statements.of(code) if self.checks else ()
        return next((one for one in found if one.verdict != "not-met"), None)

    @property
    def trials(self) -> list[Json]:
        return self.options.of_type("ResearchStudy") if self.options else []

    @property
    def risks(self) -> list[Json]:
        """The risk of radiation effects, one assessment a lesion or course."""
        return self.plans.of_type("RiskAssessment") if self.plans else []

    def lesion_named(self, resource: Json) -> str:
        """The lesion that a RiskAssessment is about; `the course` where it names none."""
        about = [str(b.get("reference", "")) for b in resource.get("basis", [])]
        return next((self.names[ref] for ref in about if ref in self.names), "the course")

    @property
    def guidance_notes(self) -> list[str]:
        listed = self.options.of_type("GuidanceResponse") if self.options else []
        return [note["text"] for one in listed for note in one.get("note", [])[:1]]

    @property
    def concluded(self) -> Concluded:
        plans = self.plans
        late = {t.get("focus", {}).get("reference", "") for t in self.tasks or () if wording.is_overdue(t)}
        return Concluded(
            orders=plans.of_type("ServiceRequest") if plans else None,
            risks=plans.of_type("RiskAssessment") if plans else None,
            alerts=self.alerts,
            plans=plans.of_type("CarePlan") if plans else None,
            overdue=frozenset(late),
        )


async def chart(upstream: Upstream, patient_id: str, today: dt.date) -> Chart | None:
    """The patient of this id, or None. Raises `AwayError` where the record cannot be read."""
    issues = {"patient": f"Patient/{patient_id}", "_count": MOST}
    everything, options, plans, checks, alerts = await asyncio.gather(
        upstream.everything(patient_id),
        _or_away(upstream.explained("options", patient_id)),
        _or_away(upstream.concluded("plans", patient_id)),
        _or_away(upstream.explained("alerts", patient_id)),
        _or_away(upstream.search("alerts", "DetectedIssue", issues)),
    )
    if everything is None:
        return None
    patient = next((r for r in everything if r.get("resourceType") == "Patient"), {"id": patient_id})
    told = [read(one) for one in (options, plans, checks)]
    found: Found | None = alerts
    return Chart(
        id=patient_id,
        name=wording.name_of(patient),
        born=str(patient.get("birthDate", "")),
        record=build_record(patient_id, everything),
        day=next((dt.date.fromisoformat(one.on) for one in told if one and one.on), today),
        options=told[0],
        plans=told[1],
        checks=told[2],
        alerts=None if found is None else wording.open_alerts(found.resources),
    )


async def _or_away(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except AwayError:
        return None
