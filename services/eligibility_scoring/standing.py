"""How an option stands while some answers are unknown: the set of standings that are still possible.

Learning a fact can only take standings out of the set, so an option is never called not advised, or standard,
on something that is not known.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import reduce
from typing import TypeAlias

import msgspec

from isodose.clinical.finding import Standing
from isodose.clinical.logic import Term

STANDARD: Standing = "standard"
CONDITIONAL: Standing = "conditional"
EMERGING: Standing = "emerging"
INVESTIGATIONAL: Standing = "investigational"
NOT_ADVISED: Standing = "not-advised"
UNKNOWN: Standing = "unknown"

ORDER: tuple[Standing, ...] = (STANDARD, CONDITIONAL, EMERGING, INVESTIGATIONAL, NOT_ADVISED, UNKNOWN)
"""From the strongest to the weakest."""


class Standings(msgspec.Struct, frozen=True, gc=False):
    """The standings still possible, and the facts missing to tell which."""

    possible: frozenset[Standing]
    missing: frozenset[str] = frozenset()

    @property
    def standing(self) -> Standing:
        return next(iter(self.possible)) if len(self.possible) == 1 else UNKNOWN

    @property
    def in_order(self) -> tuple[Standing, ...]:
        return tuple(sorted(self.possible, key=ORDER.index))


Outcome: TypeAlias = Standing | Standings

NO = Term(False)
_NOTHING: frozenset[str] = frozenset()
RANK = {standing: rank for rank, standing in enumerate(ORDER)}
_ALONE = {standing: Standings(frozenset({standing})) for standing in ORDER}


def alike(answer: Term) -> Hashable:
    """Equal for answers on which nothing can come out differently."""
    return answer.value, answer.missing


def first_of(*branches: tuple[Term, Outcome], otherwise: Outcome) -> Standings:
    """The outcome of the first branch that holds; every branch that may hold stays possible."""
    possible: frozenset[Standing] = frozenset()
    missing = _NOTHING
    for condition, outcome in branches:
        holds = condition.value
        if holds is False:
            continue
        reached = _standings(outcome)
        if holds and not possible:
            return reached
        possible |= reached.possible
        missing |= reached.missing | condition.missing
        if holds:
            break
    else:
        reached = _standings(otherwise)
        if not possible:
            return reached
        possible |= reached.possible
        missing |= reached.missing
    return _settled(possible, missing)


def best(each: Iterable[Standings]) -> Standings:
    """The strongest of several, over all combinations that are possible; not advised where there is none."""
    return reduce(_stronger, each, _ALONE[NOT_ADVISED])


def _stronger(one: Standings, other: Standings) -> Standings:
    """The stronger of two: what is possible for one stays unless the other is surely stronger."""
    if one is _ALONE[NOT_ADVISED] or one is other:
        return other
    first, second = _weakest(one), _weakest(other)
    possible = frozenset(s for s in one.possible if RANK[s] <= second)
    possible |= frozenset(s for s in other.possible if RANK[s] <= first)
    return _settled(possible, one.missing | other.missing)


def _weakest(standings: Standings) -> int:
    return max(RANK[standing] for standing in standings.possible)


def at_most(limit: Standing, outcome: Standings) -> Standings:
    """`outcome`, no stronger than `limit`."""
    rank = RANK[limit]
    possible = frozenset(s if RANK[s] >= rank else limit for s in outcome.possible)
    return _settled(possible, outcome.missing)


def _standings(outcome: Outcome) -> Standings:
    return _ALONE[outcome] if isinstance(outcome, str) else outcome


def _settled(possible: frozenset[Standing], missing: frozenset[str]) -> Standings:
    return Standings(possible, missing) if len(possible) > 1 else _ALONE[next(iter(possible))]
