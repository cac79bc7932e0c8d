"""What may need action for a patient, the most pressing first, and within a need what is most urgent.

Which need is more pressing is an order of reading, no clinical judgement: severity, overdue and urgent are
what the services said, and what has waited longest comes first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from worklist import wording

Json = dict[str, Any]
Part = Literal["options", "plans", "alerts", ""]
_GRADE, _RANK = 1_000_000, 100_000_000
_NO_DAY = _GRADE - 1


@dataclass(frozen=True)
class Need:
    """A reason to look at a patient, told by the service of `part`. `urgency` reads it from the results of
    that service: the smaller the more urgent, None where the patient has no such need.
    """

    code: str
    title: str
    part: Part
    urgency: Callable[[list[Json]], int | None]


def _graded(grade: int, day: object) -> int:
    """First by the grade, then by the day: what waits longest comes first."""
    return grade * _GRADE + _ordinal(day)


def _ordinal(day: object) -> int:
    try:
        return dt.date.fromisoformat(str(day)[:10]).toordinal()
    except ValueError:
        return _NO_DAY


def _alert(*severities: str) -> Callable[[list[Json]], int | None]:
    def urgency(results: list[Json]) -> int | None:
        found = [
            _graded(severities.index(issue["severity"]), issue.get("identifiedDateTime"))
            for issue in wording.open_alerts(_of(results, "DetectedIssue"))
            if issue.get("severity") in severities and not wording.is_answered(issue)
        ]
        return min(found, default=None)

    return urgency


def _work(*kinds: str) -> Callable[[list[Json]], int | None]:
    wanted = set(kinds)

    def urgency(results: list[Json]) -> int | None:
        found = [
            _graded(0 if task.get("priority") in wording.URGENT else 1, _since(task))
            for task in wording.open_tasks(_of(results, "Task"))
            if not wanted.isdisjoint(wording.codes_of(task.get("businessStatus")))
        ]
        return min(found, default=None)

    return urgency


def _since(task: Json) -> object:
    period = task.get("restriction", {}).get("period", {})
    return period.get("start") or period.get("end")


def _facts(results: list[Json]) -> int | None:
    """Whoever needs the fewest facts for an answer comes first."""
    waiting = [g for g in _of(results, "GuidanceResponse") if g.get("status") == "data-required"]
    return min((len(wording.wanted_facts([g])) for g in waiting), default=None)


def _of(results: Iterable[Json], kind: str) -> list[Json]:
    return [one for one in results if one.get("resourceType") == kind]


NEEDS: tuple[Need, ...] = (
    Need("high-alert", "Open alert of high severity", "alerts", _alert("high")),
    Need("overdue", "MRI overdue", "plans", _work("overdue", "lost")),
    Need("work-up", "Radiation effect: work-up or treatment open", "plans", _work("work-up", "treatment")),
    Need("alert", "Other open alert", "alerts", _alert("moderate", "low")),
    Need("facts", "Options cannot be ranked: facts missing", "options", _facts),
    Need(
        "scan", "MRI due or to be booked", "plans", _work("book", "due", "decide-imaging", "post-operative")
    ),
)
EVERYONE = Need("none", "Nothing waits", "", lambda _results: None)
BY_CODE: Mapping[str, Need] = {need.code: need for need in (*NEEDS, EVERYONE)}


def weights(part: Part, results: list[Json]) -> dict[str, int]:
    """The patient's needs that the service of this part told, by code: the smaller the weight the more
    pressing, whatever the need.
    """
    found = {need.code: need.urgency(results) for need in NEEDS if need.part == part}
    return {code: weight(code, urgency) for code, urgency in found.items() if urgency is not None}


def weight(code: str, urgency: int = 0) -> int:
    return list(BY_CODE).index(code) * _RANK + urgency
