"""Words for what FHIR resources say: names, concepts, periods, states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isodose.clinical import facts

Json = dict[str, Any]
SEVERITY = {"high": 0, "moderate": 1, "low": 2}
_OPEN_ISSUE = ("registered", "preliminary", "final", "amended", "corrected")
URGENT = ("urgent", "asap", "stat")
_OPEN_TASK = ("requested", "ready", "in-progress", "draft", "on-hold", "accepted", "received")


def name_of(patient: Json) -> str:
    """The patient's name as written, or the id where there is none."""
    for name in patient.get("name", []):
        text = name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip()
        if text:
            return str(text)
    return str(patient.get("id", ""))


def words_of(concept: Any) -> str:
    """The text of a CodeableConcept, or of the first of several."""
    if isinstance(concept, list):
        concept = concept[0] if concept else None
    if not isinstance(concept, dict):
        return ""
    coding = (concept.get("coding") or [{}])[0]
    return str(concept.get("text") or coding.get("display") or coding.get("code") or "")


def codes_of(concept: Any) -> list[str]:
    return [str(c.get("code", "")) for c in concept.get("coding", [])] if isinstance(concept, dict) else []


def fact_in_words(name: str) -> str:
    """What a fact of the vocabulary means; the name itself where it is none."""
    try:
        return facts.definition(name).definition
    except KeyError:
        return name.replace("_", " ")


def patient_of(resource: Json) -> str:
    """The id of the patient whom a resource is about."""
    holder = resource.get("subject") or resource.get("patient") or resource.get("for") or {}
    return str(holder.get("reference", "")).rpartition("/")[2]


def is_answered(alert: Json) -> bool:
    """Whether a clinician's override or acknowledgement of a DetectedIssue still holds."""
    states = (e for e in alert.get("extension", []) if e.get("url", "").endswith("/alert-state"))
    return any(state.get("valueCode") == "answered" for state in states)


def open_alerts(issues: Iterable[Json]) -> list[Json]:
    """Alerts that stand, the most severe first."""
    standing = [issue for issue in issues if issue.get("status") in _OPEN_ISSUE]
    return sorted(standing, key=lambda issue: SEVERITY.get(issue.get("severity", ""), 3))


def open_tasks(tasks: Iterable[Json]) -> list[Json]:
    """Work that is open, urgent first."""
    waiting = [task for task in tasks if task.get("status") in _OPEN_TASK]
    return sorted(waiting, key=lambda task: task.get("priority") not in URGENT)


def open_scans(orders: Iterable[Json]) -> list[Json]:
    """Proposed scans that are not done, the first to come first."""
    wanted = [order for order in orders if order.get("status") in ("active", "draft")]
    return sorted(wanted, key=lambda order: str(order.get("occurrencePeriod", {}).get("start", "9999")))


def is_overdue(task: Json) -> bool:
    """Whether a Task says that a scan's window has passed."""
    return not {"overdue", "lost"}.isdisjoint(codes_of(task.get("businessStatus")))


def leading_option(groups: Iterable[Json]) -> Json | None:
    """The action that the RequestGroup marks as leading; None while no option can be told to lead."""
    actions = (action for group in groups for action in group.get("action", []))
    return next((action for action in actions if action.get("prefix") == "leading"), None)


def without_leader(groups: Iterable[Json]) -> str:
    """Why no option leads: no treatment waits, or facts are missing."""
    known = list(groups)
    marks = (mark for group in known for mark in group.get("extension", []))
    if any(mark.get("url", "").endswith("/no-treatment-waits") for mark in marks):
        return "none: every lesion was treated and none is known to have changed"
    return "cannot be ranked yet: facts are missing" if known else "none yet"


def wanted_facts(guidance: Iterable[Json]) -> list[tuple[str, str]]:
    """The facts that GuidanceResponses ask for, the most decisive first: name and words."""
    codings = [
        coding
        for one in guidance
        for wanted in one.get("dataRequirement", [])
        for by_code in wanted.get("codeFilter", [])
        for coding in by_code.get("code", [])
    ]
    return [(str(c.get("code", "")), str(c.get("display") or c.get("code", ""))) for c in codings]
