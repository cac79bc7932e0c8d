"""An independent reading of the catalogue's expressions under three-valued logic, to hold the rules against.

It interprets Python's `ast` directly and shares nothing with `isodose.clinical.logic`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from typing import Any


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


class _StatedUnknown(str):
    """An enumerated fact stated as "unknown": it is that, and undecided against any other value."""

    __slots__ = ()


UNKNOWN = _Unknown()
STATED_UNKNOWN = _StatedUnknown("unknown")

_ORDER = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def value_of(expression: str, facts: Mapping[str, Any]) -> Any:
    """The value of `expression`; a fact absent from `facts` is unknown."""
    return _value(ast.parse(expression, mode="eval").body, facts)


def verdict_of(expression: str, facts: Mapping[str, Any]) -> tuple[str, Any]:
    """The verdict, and the value where the entry yields one."""
    value = value_of(expression, facts)
    if value is UNKNOWN:
        return "unknown", None
    if value is None or value is False:
        return "not-met", None
    return "met", None if value is True else value


def names_in(expression: str) -> set[str]:
    """The facts an expression reads."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(expression, mode="eval")):
        if isinstance(node, ast.Attribute):
            names.add(f"molecular.{node.attr}")
        elif isinstance(node, ast.Name) and node.id not in ("molecular", "abs"):
            names.add(node.id)
    return names


def numbers_in(expression: str) -> list[float]:
    """The thresholds an expression mentions."""
    found = (n.value for n in ast.walk(ast.parse(expression, mode="eval")) if isinstance(n, ast.Constant))
    return sorted({n for n in found if isinstance(n, int | float) and not isinstance(n, bool)})


def _value(node: ast.expr, facts: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.List(elts=items):
            return [_value(item, facts) for item in items]
        case ast.Name(id=name):
            return _stated(facts.get(name, UNKNOWN))
        case ast.Attribute(attr=name):
            return _stated(facts.get(f"molecular.{name}", UNKNOWN))
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, facts)
            if value is UNKNOWN:
                return UNKNOWN
            return not value if isinstance(op, ast.Not) else -value
        case ast.Call(func=ast.Name(id="abs"), args=[argument]):
            value = _value(argument, facts)
            return UNKNOWN if value is UNKNOWN else abs(value)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left, facts), _value(right, facts)
            without_value = UNKNOWN in (one, other) or (isinstance(op, ast.Div) and other == 0)
            return UNKNOWN if without_value else _ARITHMETIC[type(op)](one, other)
        case ast.BoolOp(op=op, values=values):
            return _junction([_value(v, facts) for v in values], isinstance(op, ast.Or))
        case ast.Compare(left=left, ops=ops, comparators=rights):
            terms = [_value(term, facts) for term in (left, *rights)]
            links = [_compared(op, a, b) for op, a, b in zip(ops, terms, terms[1:], strict=False)]
            return _junction(links, decisive=False)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition = _value(test, facts)
            yes, no = _value(body, facts), _value(orelse, facts)
            if condition is UNKNOWN:
                return yes if type(yes) is type(no) and yes == no else UNKNOWN
            return yes if condition else no
    raise NotImplementedError(ast.dump(node))


def _stated(value: Any) -> Any:
    return STATED_UNKNOWN if isinstance(value, str) and value == STATED_UNKNOWN else value


def _junction(values: list[Any], decisive: bool) -> Any:
    if any(v is not UNKNOWN and bool(v) is decisive for v in values):
        return decisive
    return UNKNOWN if any(v is UNKNOWN for v in values) else not decisive


def _compared(op: ast.cmpop, left: Any, right: Any) -> Any:
    if isinstance(op, ast.In | ast.NotIn):
        found = _junction([_equal(left, item) for item in right], decisive=True)
        return found if isinstance(op, ast.In) or found is UNKNOWN else not found
    if isinstance(op, ast.Is | ast.IsNot):
        return (left is UNKNOWN) is isinstance(op, ast.Is)
    if isinstance(op, ast.Eq | ast.NotEq):
        same = _equal(left, right)
        return same if isinstance(op, ast.Eq) or same is UNKNOWN else not same
    return UNKNOWN if UNKNOWN in (left, right) else _ORDER[type(op)](left, right)


def _equal(left: Any, right: Any) -> Any:
    """`left` is a fact, `right` what the expression writes: "unknown" written there is just a word."""
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if left == right:
        return True
    return UNKNOWN if left is STATED_UNKNOWN or right is STATED_UNKNOWN else False
