"""One question answered under many suppositions at once, so that the pathway is walked once for all of them.

Bit n of a mask stands for supposition n. `Each` combines as `isodose.clinical.logic.Term` does and remembers
no facts; `first_of`, `at_most` and `best` are those of `standing`, under every supposition.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, TypeAlias

import msgspec

from eligibility_scoring.standing import NOT_ADVISED, RANK
from isodose.clinical.finding import Standing

Spread: TypeAlias = tuple[int, ...]
"""By rank of a standing, the suppositions under which it is possible."""

ALWAYS = -1
"""All bits set: under every supposition."""

_RANKS = range(len(RANK) - 1)


class Each(msgspec.Struct, frozen=True, gc=False):
    """Under which suppositions the answer is yes, and under which no; under all others it is open."""

    yes: int
    no: int

    def __and__(self, other: Each) -> Each:
        return Each(self.yes & other.yes, self.no | other.no)

    def __or__(self, other: Each) -> Each:
        return Each(self.yes | other.yes, self.no & other.no)

    def __invert__(self) -> Each:
        return Each(self.no, self.yes)


YES, NO, OPEN = Each(ALWAYS, 0), Each(0, ALWAYS), Each(0, 0)


def each(value: Any) -> Each:
    """The answer for the value of a Term: any value that is not a known "no" is a yes."""
    return OPEN if value is None else NO if value is False else YES


def alike(answer: Each) -> Hashable:
    return answer.yes, answer.no


def first_of(*branches: tuple[Each, Standing | Spread], otherwise: Standing | Spread) -> Spread:
    found = [0 for _ in _RANKS]
    rest = ALWAYS
    for condition, outcome in branches:
        _reach(found, outcome, rest & ~condition.no)
        rest &= ~condition.yes
        if not rest:
            break
    else:
        _reach(found, otherwise, rest)
    return tuple(found)


def _reach(found: list[int], outcome: Standing | Spread, where: int) -> None:
    if isinstance(outcome, str):
        found[RANK[outcome]] |= where
    elif where:
        for rank in _RANKS:
            found[rank] |= outcome[rank] & where


def at_most(limit: Standing, outcome: Spread) -> Spread:
    """`outcome`, no stronger than `limit`."""
    found = list(outcome)
    for rank in range(RANK[limit]):
        found[RANK[limit]] |= found[rank]
        found[rank] = 0
    return tuple(found)


def best(spreads: Iterable[Spread]) -> Spread:
    """The strongest of several; not advised where there is none."""
    found: Spread | None = None
    for spread in spreads:
        found = spread if found is None else _stronger(found, spread)
    return tuple(ALWAYS if rank == RANK[NOT_ADVISED] else 0 for rank in _RANKS) if found is None else found


def _stronger(one: Spread, other: Spread) -> Spread:
    """What is possible for one stays where the other may be no stronger."""
    found = [0 for _ in _RANKS]
    weaker_one = weaker_other = 0
    for rank in reversed(_RANKS):
        weaker_one |= one[rank]
        weaker_other |= other[rank]
        found[rank] = (one[rank] & weaker_other) | (other[rank] & weaker_one)
    return tuple(found)
