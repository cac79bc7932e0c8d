"""Three bare answers, yes, no and open: the walk on supposed facts asks thousands of questions per decision.

They combine as `isodose.clinical.logic.Term` does and remember neither facts nor what is missing.
"""

from __future__ import annotations

from typing import Any

_NOTHING: frozenset[str] = frozenset()


class Bare:
    """One of the three answers; compare by identity."""

    __slots__ = ("missing", "value")

    def __init__(self, value: bool | None) -> None:
        self.value = value
        self.missing = _NOTHING

    def __and__(self, other: Any) -> Bare:
        if self.value is False or other.value is False:
            return NO
        return YES if self.value and other.value else OPEN

    def __or__(self, other: Any) -> Bare:
        if self.value or other.value:
            return YES
        return NO if self.value is False and other.value is False else OPEN

    def __invert__(self) -> Bare:
        return OPEN if self.value is None else NO if self.value else YES


YES, NO, OPEN = Bare(True), Bare(False), Bare(None)


def bare(value: Any) -> Bare:
    """The answer for the value of a Term: any value that is not a known "no" is a yes."""
    return OPEN if value is None else NO if value is False else YES
