"""Every verdict is the value of the catalogue's own expression, as an independent interpreter sees it."""

from __future__ import annotations

import ast
import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from eligibility_scoring import decision, knowledge
from isodose.clinical import derive, facts, rules
from isodose.clinical.record import Fact, PatientRecord, Subject

ON = dt.date(2026, 11, 23)
SHARED = Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[3] / "shared"))
CATALOGUE = SHARED / "clinical" / "catalogue.yaml"
SUPPLEMENT = SHARED / "clinical" / "supplement.yaml"
KNOWLEDGE = knowledge.load()
RULES = {rule.code: rule for rule in decision.RULES}


class Unknown:
    """The third truth value."""


class StatedUnknown(str):
    """An enumerated fact stated as "unknown": it is that, and undecided against any other value."""

    __slots__ = ()


UNKNOWN = Unknown()


def both(left: Any, right: Any, decisive: bool) -> Any:
    for side in (left, right):
        if side is not UNKNOWN and bool(side) is decisive:
            return decisive
    return UNKNOWN if UNKNOWN in (left, right) else not decisive


def equal(left: Any, right: Any) -> Any:
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if left == right:
        return True
    return UNKNOWN if isinstance(left, StatedUnknown) or isinstance(right, StatedUnknown) else False


def compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    if isinstance(op, ast.In | ast.NotIn):
        found: Any = False
        for item in right:
            found = both(found, equal(left, item), True)
        return negate(found) if isinstance(op, ast.NotIn) else found
    if isinstance(op, ast.Eq):
        return equal(left, right)
    if isinstance(op, ast.NotEq):
        return negate(equal(left, right))
    if UNKNOWN in (left, right):
        return UNKNOWN
    if isinstance(op, ast.Lt):
        return left < right
    if isinstance(op, ast.LtE):
        return left <= right
    if isinstance(op, ast.Gt):
        return left > right
    assert isinstance(op, ast.GtE)
    return left >= right


def negate(value: Any) -> Any:
    return UNKNOWN if value is UNKNOWN else not value


def evaluate(node: ast.expr, known: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [evaluate(item, known) for item in items]
        case ast.Name(id=name):
            return known.get(name, UNKNOWN)
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return known.get(f"{owner}.{attribute}", UNKNOWN)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return negate(evaluate(operand, known))
        case ast.BoolOp(op=op, values=values):
            decisive = isinstance(op, ast.Or)
            result: Any = not decisive
            for value in values:
                result = both(result, evaluate(value, known), decisive)
            return result
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            terms = [evaluate(item, known) for item in (left, *comparators)]
            result = True
            for op, one, other in zip(ops, terms[:-1], terms[1:], strict=True):
                result = both(result, compare(op, one, other), False)
            return result
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition = evaluate(test, known)
            if condition is not UNKNOWN:
                return evaluate(body if condition else orelse, known)
            one, other = evaluate(body, known), evaluate(orelse, known)
            return one if one == other else UNKNOWN
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            one, other = evaluate(left, known), evaluate(right, known)
            return UNKNOWN if UNKNOWN in (one, other) or other == 0 else one / other
        case ast.BinOp(op=op, left=left, right=right):
            one, other = evaluate(left, known), evaluate(right, known)
            if UNKNOWN in (one, other):
                return UNKNOWN
            return one * other if isinstance(op, ast.Mult) else one + other
    raise AssertionError(f"the interpreter does not know {ast.dump(node)}")


def catalogue_logic() -> dict[str, str]:
    if not CATALOGUE.exists():
        return {}
    content = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    more = yaml.safe_load(SUPPLEMENT.read_text(encoding="utf-8"))
    sections = [*content.values(), *more.values()]
    entries = [e for section in sections if isinstance(section, list) for e in section if isinstance(e, dict)]
    entries += content["figure1_pathway"]["nodes"]
    return {e["id"]: e["logic"] for e in entries if "id" in e and "logic" in e}


LOGIC = catalogue_logic()


def names_in(expression: str) -> list[str]:
    tree = ast.parse(expression, mode="eval")
    dotted = [f"molecular.{n.attr}" for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    plain = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id != "molecular"]
    return sorted({*dotted, *plain})


def values_of(name: str, expression: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    if definition.type == "boolean":
        return st.booleans()
    if definition.type == "enum":
        return st.sampled_from(definition.values)
    numbers = [n.value for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Constant)]
    edges = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)] or [0]
    if definition.type == "integer":
        near = [edge + step for edge in edges for step in (-1, 0, 1)]
        return st.sampled_from([int(n) for n in near if n >= 0]) | st.integers(0, 100)
    return st.sampled_from([max(0.0, e + s) for e in edges for s in (-0.01, 0.0, 0.01)]) | st.floats(0, 100)


def record_with(known: dict[str, Any]) -> PatientRecord:
    by_scope: dict[str, list[Fact]] = {}
    for name, value in known.items():
        by_scope.setdefault(facts.definition(name).scope, []).append(Fact(name=name, value=value))
    subjects = tuple(
        Subject(ref=f"{scope}/1", scope=scope, facts=tuple(given))  # type: ignore[arg-type]
        for scope, given in sorted(by_scope.items())
        if scope != "patient"
    )
    return PatientRecord(patient_id="p", facts=tuple(by_scope.get("patient", ())), subjects=subjects)


def expected(expression: str, record: PatientRecord) -> tuple[str, Any]:
    stated = (*record.facts, *(f for s in record.subjects for f in s.facts))
    known = {f.name: StatedUnknown(f.value) if f.value == "unknown" else f.value for f in stated}
    value = evaluate(ast.parse(expression, mode="eval").body, known)
    if value is UNKNOWN:
        return "unknown", None
    if value is None or value is False:
        return "not-met", None
    return "met", None if value is True else value


@pytest.mark.skipif(not LOGIC, reason="the shared clinical catalogue is not here (set ISODOSE_SHARED)")
@pytest.mark.parametrize("code", sorted(RULES))
def test_the_verdict_is_the_value_of_the_catalogue_expression(code: str) -> None:
    expression = LOGIC[code]
    names = names_in(expression)

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(st.fixed_dictionaries({}, optional={n: values_of(n, expression) for n in names}))
    def agree(known: dict[str, Any]) -> None:
        record = derive.as_of(record_with(known), ON)
        (finding,) = rules.judge([RULES[code]], record, KNOWLEDGE, ON)
        assert (finding.verdict, finding.value) == expected(expression, record)
        if finding.verdict == "unknown" and expression.find("/") < 0:
            assert finding.missing, "an unknown finding names what is missing"
            assert set(finding.missing) <= set(names)

    agree()


@pytest.mark.skipif(not LOGIC, reason="the shared clinical catalogue is not here (set ISODOSE_SHARED)")
def test_every_pathway_and_eligibility_entry_with_logic_has_a_rule() -> None:
    content = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    wanted = {e["id"] for e in content["eligibility"] if "logic" in e}
    for node in content["figure1_pathway"]["nodes"]:
        wanted |= {node["id"], *node["entries"]}
    assert wanted <= RULES.keys()


@pytest.mark.skipif(not LOGIC, reason="the shared clinical catalogue is not here (set ISODOSE_SHARED)")
def test_strength_and_reference_numbers_are_those_of_the_catalogue() -> None:
    content = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    sections = [section for section in content.values() if isinstance(section, list)]
    entries = {e["id"]: e for section in sections for e in section if "id" in e}
    for code, entry in KNOWLEDGE.entries.items():
        if code not in entries:
            continue
        assert entry.strength == entries[code]["strength"], code
        cited = {n for s in entries[code]["evidence"] for n in _numbers(s["ref"])}
        assert {n for s in entry.evidence for n in s.ref} == cited, code
        assert bool(entry.suspect) >= bool(entries[code].get("suspect")), code
        assert bool(entry.conflicts) >= bool(entries[code].get("conflicts")), code
        assert bool(entry.boundary) >= bool(entries[code].get("boundary")), code


def _numbers(ref: Any) -> list[int]:
    if ref is None:
        return []
    return ref if isinstance(ref, list) else [ref]
