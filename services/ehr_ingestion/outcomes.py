"""What became of each resource that was sent, read from the response entries of a Bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Became = Literal["accepted", "changed", "unchanged", "refused"]
_IN_BUNDLE = re.compile(r"Bundle\.entry\[\d+\]\.resource")


class Outcome(NamedTuple):
    """What became of one resource. `is_passing` tells that it was refused only for what is here now: it
    refers to what is not here yet, or somebody else wrote it at the same time.
    """

    place: str
    became: Became
    reason: str = ""
    is_passing: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    place: str
    reason: str


@dataclass
class Tally:
    """How many resources were accepted, changed, or as before; and each one refused, with the reason."""

    accepted: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        match outcome.became:
            case "accepted":
                self.accepted += 1
            case "changed":
                self.changed += 1
            case "unchanged":
                self.unchanged += 1
            case "refused":
                self.refused.append(Refusal(outcome.place, outcome.reason))

    @property
    def total(self) -> int:
        return self.accepted + self.changed + self.unchanged + len(self.refused)


def outcome_of(place: str, response: Mapping[str, Any]) -> Outcome:
    """What `Bundle.entry.response` says of the resource sent to `place`."""
    status, told = str(response.get("status", ""))[:3], response.get("outcome", {})
    if status == "201":
        return Outcome(place, "accepted")
    if status in ("200", "204"):
        return Outcome(place, "unchanged" if told else "changed")
    codes = {issue.get("code") for issue in told.get("issue", [])}
    reason = _IN_BUNDLE.sub(place.partition("/")[0], reason_of(told)) or f"HTTP {status}"
    return refused(place, reason, is_passing=codes <= {"not-found", "conflict"} and status in ("409", "422"))


def refused(place: str, reason: str, *, is_passing: bool = False) -> Outcome:
    return Outcome(place, "refused", reason, is_passing)


def reason_of(outcome: Mapping[str, Any]) -> str:
    """The issues of an OperationOutcome in one line; empty where there are none."""
    reasons = []
    for issue in outcome.get("issue", []):
        where = ", ".join(issue.get("expression", []))
        said = issue.get("diagnostics") or issue.get("code", "")
        reasons.append(f"{said} ({where})" if where else said)
    return "; ".join(reasons)
