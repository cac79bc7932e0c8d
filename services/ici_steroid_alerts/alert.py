"""One alert: what meets what, how serious, whether it may interrupt, and what could be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from isodose.clinical.finding import Finding, Severity

Proposal = Literal[
    "memantine",
    "glucose",
    "prophylaxis",
    "lower-dose",
    "without-bevacizumab",
    "without-steroid",
    "taper",
    "spare-steroid",
    "board",
    "hold",
]
"""What a card may offer to do; `proposals.py` makes the FHIR actions of it."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """`code` is the entry that gives the reason, `about` the other end of the pair (plan, course, operation).

    `settled` is false where a missing fact leaves the entry undecided and what is known already asks for
    attention. `interrupts`: worth stopping the prescriber at signing. `drugs` are those whose exchange makes
    it another matter, `step` rises where a dose doubles: both decide whether an earlier answer still holds.
    """

    code: str
    severity: Severity
    title: str
    findings: tuple[Finding, ...]
    implicated: tuple[str, ...] = ()
    about: str = ""
    action: str = ""
    settled: bool = True
    interrupts: bool = False
    on_card: bool = True
    proposals: tuple[Proposal, ...] = ()
    drugs: tuple[str, ...] = ()
    step: int = 0

    @property
    def level(self) -> int:
        """How grave it is, 0 to 15: severity first, then the step of the dose within it."""
        first, steps = {"low": (0, 3), "moderate": (4, 3), "high": (8, 7)}[self.severity]
        return first + min(self.step, steps)


def involved(*groups: Iterable[str]) -> tuple[str, ...]:
    """References, each once, in a stable order."""
    return tuple(sorted({ref for group in groups for ref in group if ref}))


def sources_of(findings: Iterable[Finding], *names: str) -> tuple[str, ...]:
    """Where the named facts of the findings were read: what stands for a drug that is only stated."""
    return tuple(sorted({u.source for f in findings for u in f.facts if u.name in names and u.source}))
