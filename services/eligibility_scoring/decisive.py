"""Which missing fact could change the answer most: each is supposed in turn, and the options walked again.

What counts is by how many points the bounds of the scores then narrow: first of the options that may come out
on top, then of all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eligibility_scoring.appraisal import Appraised
from eligibility_scoring.asked import hangs_on
from eligibility_scoring.branches import BRANCHES
from eligibility_scoring.judged import Judged
from eligibility_scoring.score import Weights
from eligibility_scoring.supposed_scores import SupposedScores
from eligibility_scoring.suppositions import suppositions
from isodose.clinical.finding import ByCode
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord


@dataclass(frozen=True, slots=True)
class MissingFact:
    """`on_top` and `could` are the most points by which the bounds narrow for some value of the fact: of the
    options that may score highest or where the pathway ends, and of all. `usually` is the mean over the
    values tried; `decides` are the options whose standing some value settles.
    """

    name: str
    on_top: int
    could: int
    usually: float
    decides: tuple[str, ...]


@dataclass(slots=True)
class _Narrowed:
    """By how many points the bounds narrow under one supposition."""

    fact: str
    on_top: int = 0
    all: int = 0
    decides: set[str] = field(default_factory=set)


def missing_facts(
    judged: Judged,
    appraised: Mapping[str, Appraised],
    found: ByCode,
    *,
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    by: Weights,
) -> list[MissingFact]:
    """The missing facts on which a standing or a score hangs, the most decisive first.

    `appraised` is what `judged` comes to; `record` carries what is derived for the day. Pure.
    """
    undecided = [code for code, one in appraised.items() if one.width or len(one.whole.possible) > 1]
    entries = frozenset[str]().union(*(hangs_on(by)[code] for code in undecided))
    supposed = suppositions(judged, found, entries=entries, record=record, knowledge=knowledge, on=on)
    scores = SupposedScores(judged, supposed, by)
    narrowed = [_Narrowed(supposition.fact) for supposition in supposed]
    on_top = _on_top(judged, appraised)
    for code in undecided:
        before = appraised[code]
        for number, after in scores.of(code):
            points = before.width - after.width
            narrowed[number].all += points
            narrowed[number].on_top += points if code in on_top else 0
            if after.settled and len(before.whole.possible) > 1:
                narrowed[number].decides.add(code)
    by_fact: dict[str, list[_Narrowed]] = {}
    for one in narrowed:
        by_fact.setdefault(one.fact, []).append(one)
    missing = [_missing(name, values) for name, values in by_fact.items()]
    mattering = [fact for fact in missing if fact.could > 0 or fact.decides]
    return sorted(mattering, key=lambda f: (-f.on_top, -f.could, -f.usually, f.name))


def _on_top(judged: Judged, appraised: Mapping[str, Appraised]) -> set[str]:
    """The options that may score highest, and those at which the pathway ends."""
    surely = max(one.low for one in appraised.values())
    return {
        code
        for code, one in appraised.items()
        if one.high >= surely or (one.high and BRANCHES[code].ends(judged).value is True)
    }


def _missing(name: str, values: Sequence[_Narrowed]) -> MissingFact:
    decides = set[str]().union(*(one.decides for one in values))
    return MissingFact(
        name=name,
        on_top=max(one.on_top for one in values),
        could=max(one.all for one in values),
        usually=sum(one.all for one in values) / len(values),
        decides=tuple(code for code in BRANCHES if code in decides),
    )
