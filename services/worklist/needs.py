"""What may need action for a patient, the most pressing first: each need is one FHIR search in one service.

The clinic page walks through the needs in this order, so it needs no list of all patients of its own
(docs/decisions/0019-clinic-page-by-needs.md). Which need is more pressing is an order of reading, no clinical
judgement: severity, overdue and urgent are what the services said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from worklist import wording
from worklist.rows import Row
from worklist.upstream import Service

_STANDING = "registered,preliminary,final,amended,corrected"
_OPEN = "requested,ready,in-progress,draft,on-hold,accepted,received"


@dataclass(frozen=True)
class Need:
    """A reason to look at a patient. `query` finds the patients who may have it; `holds` tells who does."""

    code: str
    title: str
    service: Service
    kind: str
    query: Mapping[str, str]
    holds: Callable[[Row], bool]
    counted: str


def _work(*kinds: str) -> Callable[[Row], bool]:
    wanted = set(kinds)
    return lambda row: any(
        not wanted.isdisjoint(wording.codes_of(task.get("businessStatus"))) for task in row.tasks or ()
    )


def _alert(*severities: str) -> Callable[[Row], bool]:
    return lambda row: any(alert.get("severity") in severities for alert in row.waiting)


NEEDS: tuple[Need, ...] = (
    Need(
        "high-alert",
        "Open alert of high severity",
        "alerts",
        "DetectedIssue",
        {"severity": "high", "status": _STANDING, "_sort": "patient"},
        _alert("high"),
        "alerts of high severity, answered ones included",
    ),
    Need(
        "overdue",
        "MRI overdue",
        "plans",
        "Task",
        {"business-status": "overdue,lost", "status": _OPEN, "_sort": "patient"},
        _work("overdue", "lost"),
        "scans overdue",
    ),
    Need(
        "work-up",
        "Radiation effect: work-up or treatment open",
        "plans",
        "Task",
        {"business-status": "work-up,treatment", "status": _OPEN, "_sort": "patient"},
        _work("work-up", "treatment"),
        "tasks open",
    ),
    Need(
        "alert",
        "Other open alert",
        "alerts",
        "DetectedIssue",
        {"severity": "moderate,low", "status": _STANDING, "_sort": "patient"},
        _alert("moderate", "low"),
        "other alerts, answered ones included",
    ),
    Need(
        "facts",
        "Options cannot be ranked: facts missing",
        "options",
        "GuidanceResponse",
        {"status": "data-required", "_sort": "subject"},
        lambda row: any(g.get("status") == "data-required" for g in row.guidance or ()),
        "patients",
    ),
    Need(
        "scan",
        "MRI due or to be booked",
        "plans",
        "Task",
        {"business-status": "book,due,decide-imaging,post-operative", "status": _OPEN, "_sort": "patient"},
        _work("book", "due", "decide-imaging", "post-operative"),
        "tasks open",
    ),
)
EVERYONE = Need(
    "none",
    "Nothing waits",
    "record",
    "Patient",
    {"_sort": "family"},
    lambda _row: True,
    "patients in all",
)
BY_CODE: Mapping[str, Need] = {need.code: need for need in (*NEEDS, EVERYONE)}
ORDER = tuple(BY_CODE)


def most_pressing(row: Row) -> Need:
    """The first need that the patient has."""
    return next((need for need in NEEDS if need.holds(row)), EVERYONE)
