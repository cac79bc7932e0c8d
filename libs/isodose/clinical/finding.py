"""Finding: what one rule says of one patient, lesion, course or plan, and everything needed to trust it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from isodose.clinical.record import Certainty, FactScalar, Struct

Verdict = Literal["met", "not-met", "unknown"]
Strength = Literal["standard_of_care", "conditional", "emerging", "investigational", "caution", "unresolved"]
Severity = Literal["high", "moderate", "low"]


class Citation(Struct, frozen=True):
    """Where a statement comes from. `ref` are reference numbers of the review; `seen` tells whether the
    figure was read in its source (`yes`) or recalled (`memory`: awaits clinical sign-off wherever shown).
    """

    cite: str
    ref: tuple[int, ...] = ()
    figure: str = ""
    doi: str = ""
    pmid: str = ""
    pmc: str = ""
    seen: Literal["yes", "memory", "review"] = "review"
    via: str = ""


class FactUsed(Struct, frozen=True):
    """A fact a finding rests on, as it stood."""

    name: str
    value: FactScalar
    unit: str = ""
    on: dt.date | None = None
    source: str = ""
    certainty: Certainty = "sure"
    stale: bool = False


class Side(Struct, frozen=True):
    """One position on an open question, and the ids of the entries that argue for it."""

    position: str
    arguments: tuple[str, ...] = ()


class Finding(Struct, frozen=True):
    """`code` is a catalogue id; `applies_to` is empty for the patient, else the reference of the lesion,
    course, plan, scan or drug (a pair is joined by `+`). `value` is what a rule yields beside yes or no,
    in `unit` (UCUM) where it has one.
    `evidence` are the ids of entries that no rule judges and that stand beside this one. `change` says what
    would change the answer. Where the finding is an open question for the board, `sides` are the positions.
    """

    code: str
    verdict: Verdict
    summary: str
    strength: Strength
    applies_to: str = ""
    value: FactScalar | None = None
    unit: str = ""
    severity: Severity | None = None
    missing: tuple[str, ...] = ()
    facts: tuple[FactUsed, ...] = ()
    sources: tuple[Citation, ...] = ()
    evidence: tuple[str, ...] = ()
    sides: tuple[Side, ...] = ()
    action: str = ""
    boundary: str = ""
    caution: str = ""
    conflicts: str = ""
    suspect: str = ""
    change: str = ""
    record_version: int = 0
    knowledge_version: str = ""
    on: dt.date | None = None

    @property
    def awaits_sign_off(self) -> bool:
        """Some figure shown with this finding was not seen in its source."""
        return any(source.seen == "memory" for source in self.sources)


ByCode = Mapping[str, Sequence[Finding]]
"""The findings by the entry that they state, in their order."""


def by_code(findings: Iterable[Finding]) -> ByCode:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        alike = found.get(finding.code)
        if alike is None:
            found[finding.code] = [finding]
        else:
            alike.append(finding)
    return found


class Conclusion(Struct, frozen=True):
    """What a finding says of one patient and no other: its words and sources are those of its entry in the
    knowledge version it was decided with.
    """

    code: str
    verdict: Verdict
    applies_to: str = ""
    value: FactScalar | None = None
    missing: tuple[str, ...] = ()
    facts: tuple[FactUsed, ...] = ()


def conclusion(finding: Finding) -> Conclusion:
    return Conclusion(
        code=finding.code,
        verdict=finding.verdict,
        applies_to=finding.applies_to,
        value=finding.value,
        missing=finding.missing,
        facts=finding.facts,
    )


Standing = Literal["standard", "conditional", "emerging", "investigational", "not-advised", "unknown"]


class Criterion(Struct, frozen=True):
    """What one judged entry adds to a score: `given` of at most `points`, None while `missing` facts leave it
    open. `favourable` is the verdict that gives the points.
    """

    code: str
    favourable: Literal["met", "not-met"]
    points: int
    given: int | None = None
    missing: tuple[str, ...] = ()


class Option(Struct, frozen=True, rename={"for_": "for"}):
    """One treatment option as it stands for one patient. `for_` and `against` are ids of findings.

    `applies_to` names the lesions for which the standing holds, empty when it is the patient's as a whole.
    While the standing is unknown, `missing` names the facts that decide it, the most decisive first, and
    `possible` the standings still open. `score` (0 to 100) is left out while it may not be given;
    `score_withheld` then says why. `bound` is the worst and the best score over what is not known, `criteria`
    what the score is made of beside the standing. `on_pathway` tells that the decision pathway ends here for
    the patient or for a lesion; `leads` that this is the one option put first.
    """

    code: str
    title: str
    standing: Standing
    score: int | None = None
    score_withheld: str = ""
    bound: tuple[int, int] = (0, 100)
    criteria: tuple[Criterion, ...] = ()
    for_: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    possible: tuple[Standing, ...] = ()
    applies_to: tuple[str, ...] = ()
    on_pathway: bool = False
    leads: bool = False
    what_would_change: str = ""


_encoder = msgspec.json.Encoder(order="deterministic")


def encode(findings: list[Finding]) -> bytes:
    """Canonical JSON of findings: byte-identical for the same decision."""
    return _encoder.encode(findings)
