"""One patient judged with two states of the knowledge: what the answer changes to, and by which entries."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from isodose.assessment.decider import Decision
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.fhir.resources import result_key

Json = dict[str, Any]
Kind = Literal["finding", "option", "window", "alert", "work", "plan", "risk", "result"]
_KIND: Mapping[str, Kind] = {
    "ServiceRequest": "window",
    "DetectedIssue": "alert",
    "Task": "work",
    "CarePlan": "plan",
    "RiskAssessment": "risk",
}
_TELLING = ("status", "severity", "priority", "occurrencePeriod", "restriction", "code", "prediction")
"""Elements by which a result says something else, not the same in other words."""
_CODE = re.compile(r"[A-Z][A-Za-z0-9-]*[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Change:
    """One part of an answer that becomes another; `before` or `after` is empty where it was or is not there.

    `because` are the changed entries, and the findings that change with them, on which it rests.
    """

    kind: Kind
    name: str
    before: str
    after: str
    because: tuple[str, ...]


def changed_entries(before: Knowledge, after: Knowledge) -> frozenset[str]:
    """The ids whose content is not the same, or that are in one alone."""
    every = before.entries.keys() | after.entries.keys()
    return frozenset(code for code in every if before.entries.get(code) != after.entries.get(code))


def changes(before: Decision, after: Decision, entries: Collection[str]) -> list[Change]:
    """What the answer of `after` says that `before` did not, and the other way round.

    Words alone are no change; where nothing else changes the list is empty.
    """
    findings = list(_of_findings(before.findings, after.findings, entries))
    turned = frozenset(change.name.partition(" ")[0] for change in findings) | frozenset(entries)
    return [
        *findings,
        *_of_options(before.options, after.options, turned),
        *_of_results(before.resources, after.resources, turned),
    ]


def same_words(before: Decision, after: Decision) -> bool:
    """Whether the two say the same to the letter, but for the version of the knowledge."""
    told = [
        [r for r in decision.resources if r["resourceType"] != "Provenance"] for decision in (before, after)
    ]
    return told[0] == told[1]


def _of_findings(
    before: Sequence[Finding], after: Sequence[Finding], entries: Collection[str]
) -> Iterator[Change]:
    old, new = ({(f.code, f.applies_to): f for f in findings} for findings in (before, after))
    for key in dict.fromkeys([*old, *new]):
        said = [_finding(side.get(key)) for side in (old, new)]
        if said[0] != said[1]:
            because = (key[0],) if key[0] in entries else ()
            yield Change("finding", " ".join(filter(None, key)), said[0], said[1], because)


def _finding(finding: Finding | None) -> str:
    if finding is None:
        return ""
    value = "" if finding.value is None else f" {finding.value}{finding.unit and ' '}{finding.unit}"
    severity = f", {finding.severity}" if finding.severity else ""
    missing = f", not known: {', '.join(finding.missing)}" if finding.missing else ""
    return f"{finding.verdict}{value}{severity}{missing}"


def _of_options(
    before: Sequence[Option], after: Sequence[Option], turned: Collection[str]
) -> Iterator[Change]:
    old, new = ({option.code: option for option in options} for options in (before, after))
    for code in dict.fromkeys([*old, *new]):
        sides = [old.get(code), new.get(code)]
        said = [_option(side) for side in sides]
        if said[0] != said[1]:
            rests = {c for side in sides if side for c in (*side.for_, *side.against, *_scored(side))}
            yield Change("option", code, said[0], said[1], tuple(sorted(rests & set(turned))))


def _option(option: Option | None) -> str:
    if option is None:
        return ""
    low, high = option.bound
    score = f"score {option.score}" if option.score is not None else f"score {low} to {high}"
    return f"{option.standing}, {score}{', leads' if option.leads else ''}"


def _scored(option: Option) -> Iterable[str]:
    return (criterion.code for criterion in option.criteria)


def _of_results(before: Sequence[Json], after: Sequence[Json], turned: Collection[str]) -> Iterator[Change]:
    old, new = ({(r["resourceType"], r["id"]): r for r in resources} for resources in (before, after))
    for key in dict.fromkeys([*old, *new]):
        sides = [side.get(key) for side in (old, new)]
        told = [_telling(side) for side in sides]
        if told[0] != told[1] and key[0] in _KIND:
            named = {code for side in sides if side for code in _CODE.findall(orjson.dumps(side).decode())}
            because = tuple(sorted(named & set(turned)))
            name = _name(next(side for side in sides if side))
            yield Change(_KIND[key[0]], name, _result(sides[0]), _result(sides[1]), because)


def _telling(resource: Json | None) -> Json:
    return {name: resource[name] for name in _TELLING if name in resource} if resource else {}


def _name(resource: Json) -> str:
    """The stable key without service and patient: `mri/Procedure/c1/4`."""
    return (result_key(resource) or resource["id"]).split("/", 2)[-1]


def _result(resource: Json | None) -> str:
    if resource is None:
        return ""
    period = resource.get("occurrencePeriod") or resource.get("restriction", {}).get("period") or {}
    days = " to ".join(filter(None, (period.get("start"), period.get("end"))))
    said = (resource.get("severity"), resource.get("priority"), resource.get("status"), days)
    return ", ".join(filter(None, said))
