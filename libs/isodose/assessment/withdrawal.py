"""Why a result is withdrawn: what differs between what it rested on and what is known now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from isodose.clinical.record import Fact, PatientRecord

MOST = 10
_STATUS_REASON = ("Task",)
_NOTE = ("CarePlan", "GuidanceResponse", "RequestGroup", "ResearchStudy", "RiskAssessment", "ServiceRequest")
"""R4 gives only Task a place for the reason of its status; these have notes. DetectedIssue has neither."""


def because(resource: dict[str, Any], why: str, on: dt.date) -> dict[str, Any]:
    """`resource` with the reason why it is withdrawn, as far as its type has a place for one."""
    kind = resource["resourceType"]
    if kind in _STATUS_REASON:
        return resource | {"statusReason": {"text": why}}
    if kind in _NOTE:
        note = {"time": f"{on.isoformat()}T00:00:00Z", "text": f"Withdrawn on {on}: {why}"}
        return resource | {"note": [*resource.get("note", ()), note]}
    return resource


def reason(
    before: PatientRecord | None, after: PatientRecord, days: tuple[dt.date, dt.date], *, anew: bool
) -> str:
    """What changed since the last decision, in a sentence. `days` are those of the last one and of this one,
    `anew` tells that the knowledge is another.
    """
    said = []
    changes = list(_changes(before, after)) if before is not None else []
    if changes:
        more = f"; and {len(changes) - MOST} more" if len(changes) > MOST else ""
        said.append(f"{'; '.join(changes[:MOST])}{more}")
    if days[0] != days[1]:
        said.append(f"the day is {days[1]}, it was {days[0]}")
    if anew:
        said.append("the clinical knowledge is of another version")
    return f"No longer concluded. What changed: {'; '.join(said)}." if said else "No longer concluded."


def _changes(before: PatientRecord, after: PatientRecord) -> Iterator[str]:
    if after.deceased and not before.deceased:
        yield "the patient has died"
    yield from _of_facts("", before.facts, after.facts)
    was = {(s.scope, s.ref): s.facts for s in before.subjects}
    for subject in after.subjects:
        yield from _of_facts(subject.ref, was.pop((subject.scope, subject.ref), ()), subject.facts)
    for (_, ref), facts in was.items():
        yield from _of_facts(ref, facts, ())
    for name in ("courses", "exposures", "scans", "operations"):
        yield from _of_things(name.removesuffix("s"), _by_ref(before, name), _by_ref(after, name))


def _of_facts(about: str, before: tuple[Fact, ...], after: tuple[Fact, ...]) -> Iterator[str]:
    known, known_before = set(after), set(before)
    for fact in after:
        if fact not in known_before:
            yield f"new: {_told(fact, about)}"
    for fact in before:
        if fact not in known:
            yield f"gone: {_told(fact, about)}"


def _told(fact: Fact, about: str) -> str:
    day = f" of {fact.on}" if fact.on else ""
    return f"{fact.name} {fact.value}{day}{f' about {about}' if about else ''} ({fact.source})"


def _by_ref(record: PatientRecord, name: str) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for thing in getattr(record, name):
        found.setdefault(thing.ref, []).append(thing)
    return found


def _of_things(kind: str, before: Mapping[str, list[Any]], after: Mapping[str, list[Any]]) -> Iterator[str]:
    for ref in sorted({*before, *after}):
        if ref not in before:
            yield f"new: {kind} {ref}"
        elif ref not in after:
            yield f"gone: {kind} {ref}"
        elif before[ref] != after[ref]:
            yield f"changed: {kind} {ref}"
