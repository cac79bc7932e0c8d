"""Three-valued (Kleene) logic over facts, so that a rule reads like its sentence and unknown is never "no".

A rule combines `Term`s with ordinary operators: comparisons, `&`, `|`, `~`, arithmetic. Each result knows
which facts it rests on and, while unknown, which facts are missing. An enumerated fact stated as "unknown"
is known only to be unknown: it equals "unknown" and is undecided against every other value.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NoReturn, TypeVar

import msgspec

from isodose.clinical.record import Fact, FactScalar

T = TypeVar("T")

UNKNOWN_VALUE = "unknown"
_NUMBERS = (int, float)


class Term(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A value or unknown (`value is None`), the facts used, and the names of the facts missing."""

    value: FactScalar | None
    used: frozenset[Fact] = frozenset()
    missing: frozenset[str] = frozenset()

    @property
    def known(self) -> bool:
        return self.value is not None

    def __repr__(self) -> str:
        return f"Term({self.value!r}, missing={sorted(self.missing)})"

    def __bool__(self) -> NoReturn:
        raise TypeError("a Term has three values: combine with &, |, ~ or choose(), never and, or, not, if")

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> Term:
        return _lift(operator.lt, self, other)

    def __le__(self, other: Any) -> Term:
        return _lift(operator.le, self, other)

    def __gt__(self, other: Any) -> Term:
        return _lift(operator.gt, self, other)

    def __ge__(self, other: Any) -> Term:
        return _lift(operator.ge, self, other)

    def __eq__(self, other: Any) -> Term:  # type: ignore[override]
        return _equal(self, term(other))

    def __ne__(self, other: Any) -> Term:  # type: ignore[override]
        return ~_equal(self, term(other))

    def __add__(self, other: Any) -> Term:
        return _lift(operator.add, self, other)

    def __sub__(self, other: Any) -> Term:
        return _lift(operator.sub, self, other)

    def __mul__(self, other: Any) -> Term:
        return _lift(operator.mul, self, other)

    __rmul__ = __mul__
    __radd__ = __add__

    def __rsub__(self, other: Any) -> Term:
        return _lift(operator.sub, term(other), self)

    def __truediv__(self, other: Any) -> Term:
        right = term(other)
        no_value = Term(None, self.used | right.used, self.missing | right.missing)
        if right.known and right.value == 0:
            return no_value
        ratio = _lift(operator.truediv, self, right)
        return ratio if ratio.value is None or math.isfinite(_number(ratio.value)) else no_value

    def __abs__(self) -> Term:
        return Term(None if self.value is None else abs(_number(self.value)), self.used, self.missing)

    def __and__(self, other: Any) -> Term:
        right = other if type(other) is Term else term(other)
        one, two = self.value, right.value
        if one is not None and not one:
            return Term(False, _both(self.used, right.used) if two is not None and not two else self.used)
        if two is not None and not two:
            return Term(False, right.used)
        used = _both(self.used, right.used)
        if one is None or two is None:
            return Term(None, used, _both(self.missing, right.missing))
        return Term(True, used)

    def __or__(self, other: Any) -> Term:
        right = other if type(other) is Term else term(other)
        one, two = self.value, right.value
        if one:
            return Term(True, _both(self.used, right.used) if two else self.used)
        if two:
            return Term(True, right.used)
        used = _both(self.used, right.used)
        if one is None or two is None:
            return Term(None, used, _both(self.missing, right.missing))
        return Term(False, used)

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Term:
        return Term(None if self.value is None else not self.value, self.used, self.missing)

    def is_in(self, values: Any) -> Term:
        """Membership in a code list, any iterable of values."""
        if type(values) is list and self.value != UNKNOWN_VALUE:
            if self.value is None:
                return self if values else Term(False, self.used)
            return Term(self.value in values, self.used)
        if self.value is not None and self.value != UNKNOWN_VALUE:
            return Term(any(self.value == value for value in values), self.used)
        result = Term(False)
        for value in values:
            result = result | (self == value)
        return Term(result.value, self.used, result.missing)

    def between(self, low: Any, high: Any) -> Term:
        """`low <= self <= high`, both ends inclusive."""
        if type(self.value) in _NUMBERS and type(low) in _NUMBERS and type(high) in _NUMBERS:
            return Term(low <= self.value <= high, self.used)
        at_least: Term = self >= low
        at_most: Term = self <= high
        return at_least & at_most


def term(value: Any) -> Term:
    """`value` itself when it is a Term, otherwise a known constant."""
    return value if isinstance(value, Term) else Term(value)


@cache
def missing(name: str) -> Term:
    """The unknown value of the fact `name`."""
    return Term(None, missing=frozenset((name,)))


def known(fact: Fact) -> Term:
    """The value of a known fact."""
    return Term(fact.value, frozenset((fact,)))


def is_none(value: Term) -> Term:
    """The one explicit test for a missing fact: always known."""
    return Term(value.value is None, value.used)


def choose(*branches: tuple[Term, Any], otherwise: Any = None) -> Term:
    """The value of the first branch whose condition holds; unknown as soon as an earlier condition is unknown
    and the branches that stay possible disagree. `otherwise` None means no value: a known "no".
    """
    used: frozenset[Fact] = frozenset()
    open_conditions: frozenset[str] = frozenset()
    possible: list[Term] = []
    for condition, outcome in branches:
        used = _both(used, condition.used)
        if condition.value is None:
            open_conditions |= condition.missing
            possible.append(term(outcome))
        elif condition.value:
            last = term(outcome)
            break
    else:
        last = Term(False) if otherwise is None else term(otherwise)
    if not possible:
        return Term(last.value, _both(used, last.used), last.missing)
    possible.append(last)
    values = {(type(t.value), t.value) for t in possible}
    for outcome in possible:
        used |= outcome.used
    if len(values) == 1 and last.known:
        return Term(last.value, used)
    return Term(None, used, open_conditions.union(*(t.missing for t in possible)))


def every(terms: Iterable[Term]) -> Term:
    """Kleene "and" of all; true of none."""
    result = Term(True)
    for item in terms:
        result = result & item
    return result


def some(terms: Iterable[Term]) -> Term:
    """Kleene "or" of all; false of none."""
    result = Term(False)
    for item in terms:
        result = result | item
    return result


def _lift(function: Callable[[Any, Any], Any], left: Term, right: Any) -> Term:
    if type(right) is not Term:
        value = left.value
        if value is None:
            return left
        if type(value) in _NUMBERS and type(right) in _NUMBERS:
            return Term(function(value, right), left.used)
        return Term(function(_comparable(value), _comparable(right)), left.used)
    used, absent = _both(left.used, right.used), _both(left.missing, right.missing)
    if left.value is None or right.value is None:
        return Term(None, used, absent)
    return Term(function(_comparable(left.value), _comparable(right.value)), used)


def _equal(left: Term, right: Term) -> Term:
    used, absent = _both(left.used, right.used), _both(left.missing, right.missing)
    if left.value is None or right.value is None:
        return Term(None, used, absent)
    if left.value == right.value:
        return Term(True, used)
    stated_unknown = {
        fact.name
        for side in (left, right)
        if side.value == UNKNOWN_VALUE
        for fact in side.used
        if fact.value == UNKNOWN_VALUE
    }
    if stated_unknown:
        return Term(None, used, absent | stated_unknown)
    return Term(False, used)


def _both(one: frozenset[T], other: frozenset[T]) -> frozenset[T]:
    """The union; most often one of the two is empty or they are the same, and no new set is made."""
    if not other or one is other:
        return one
    return one | other if one else other


def _comparable(value: FactScalar) -> Any:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            return value
    return value


def _number(value: FactScalar) -> float:
    if isinstance(value, str):
        raise TypeError(f"not a number: {value!r}")
    return value
