"""One thing to think over before signing."""

from __future__ import annotations

from dataclasses import dataclass

from isodose.clinical.finding import FactUsed, Finding


@dataclass(frozen=True, slots=True)
class Remark:
    """`code` is the entry it rests on; serious ones warn.

    It is told either by `findings`, shown in full, or in `lines` of its own: what is ordered, what is usual.
    `facts` are then the values used, `cited` the entries whose sources are shown, the one it rests on first,
    `doubts` what the sources disagree about.
    """

    code: str
    title: str
    serious: bool = True
    findings: tuple[Finding, ...] = ()
    lines: tuple[str, ...] = ()
    facts: tuple[FactUsed, ...] = ()
    cited: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
