"""How an option stands while some answers are unknown: the set of standings that are still possible.

Learning a fact can only take standings out of the set, so an option is never called not advised, or standard,
on something that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from isodose.clinical.finding import Standing

STANDARD: Standing = "standard"
CONDITIONAL: Standing = "conditional"
EMERGING: Standing = "emerging"
INVESTIGATIONAL: Standing = "investigational"
NOT_ADVISED: Standing = "not-advised"
UNKNOWN: Standing = "unknown"

ORDER: tuple[Standing, ...] = (STANDARD, CONDITIONAL, EMERGING, INVESTIGATIONAL, NOT_ADVISED, UNKNOWN)
"""From the strongest to the weakest."""


@dataclass(frozen=True, slots=True)
class Standings:
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


def first_of(*branches: tuple[Any, Outcome], otherwise: Outcome) -> Standings:
    """The outcome of the first branch that holds; every branch that may hold stays possible."""
    possible: frozenset[Standing] = frozenset()
    missing: frozenset[str] = frozenset()
    for condition, outcome in branches:
        if condition.value is False:
            continue
        reached = _standings(outcome)
        possible |= reached.possible
        missing |= reached.missing | condition.missing
        if condition.value:
            break
    else:
        reached = _standings(otherwise)
        possible |= reached.possible
        missing |= reached.missing
    return _settled(possible, missing)


def best(each: Iterable[Standings]) -> Standings:
    """The strongest of several, over all combinations that are possible; not advised where there is none."""
    possible: frozenset[Standing] = frozenset({NOT_ADVISED})
    missing: frozenset[str] = frozenset()
    for one in each:
        possible = frozenset(min(a, b, key=ORDER.index) for a in possible for b in one.possible)
        missing |= one.missing
    return _settled(possible, missing)


def at_most(limit: Standing, outcome: Standings) -> Standings:
    """`outcome`, no stronger than `limit`."""
    possible = frozenset(max(limit, s, key=ORDER.index) for s in outcome.possible)
    return _settled(possible, outcome.missing)


def _standings(outcome: Outcome) -> Standings:
    return outcome if isinstance(outcome, Standings) else Standings(frozenset({outcome}))


def _settled(possible: frozenset[Standing], missing: frozenset[str]) -> Standings:
    return Standings(possible, missing if len(possible) > 1 else frozenset())
