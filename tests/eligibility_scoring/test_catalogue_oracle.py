"""Every verdict is the value of the catalogue's own expression, as an independent interpreter sees it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import kleene_oracle as oracle
from eligibility_scoring import decision, knowledge
from isodose.clinical import derive, facts, rules
from isodose.clinical.record import Fact, PatientRecord, Subject

ON = dt.date(2026, 11, 23)
SHARED = Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[3] / "shared"))
CATALOGUE = SHARED / "clinical" / "catalogue.yaml"
SUPPLEMENT = SHARED / "clinical" / "supplement.yaml"
TESTS = Path(__file__).parents[1]
OFF = [code for code, entry in knowledge.load().entries.items() if not entry.enabled]
KNOWLEDGE = knowledge.load(OFF)
RULES = {rule.code: rule for rule in decision.RULES}


def stated_logic() -> dict[str, str]:
    """The expressions of the catalogue and of the supplement, by id."""
    if not CATALOGUE.exists():
        return {}
    entries: list[dict[str, Any]] = []
    for file in (CATALOGUE, SUPPLEMENT):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries += [e for section in content.values() if isinstance(section, list) for e in section]
        entries += content.get("figure1_pathway", {}).get("nodes", [])
    return {e["id"]: e["logic"] for e in entries if isinstance(e, dict) and "logic" in e}


LOGIC = stated_logic()


def values_of(name: str, expression: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    if definition.type == "boolean":
        return st.booleans()
    if definition.type == "enum":
        return st.sampled_from(definition.values)
    if definition.type == "date":
        return st.dates(dt.date(2024, 1, 1), ON).map(dt.date.isoformat)
    edges = oracle.numbers_in(expression) or [0]
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
        if scope not in ("patient", "trial")
    )
    own = (*by_scope.get("patient", ()), *by_scope.get("trial", ()))
    return PatientRecord(patient_id="p", facts=own, subjects=subjects)


def expected(expression: str, record: PatientRecord) -> tuple[str, Any]:
    stated = (*record.facts, *(f for s in record.subjects for f in s.facts))
    found: tuple[str, Any] = oracle.verdict_of(expression, {f.name: f.value for f in stated})
    return found


@pytest.mark.skipif(not LOGIC, reason="the shared clinical catalogue is not here (set ISODOSE_SHARED)")
@pytest.mark.parametrize("code", sorted(RULES.keys() & LOGIC.keys()))
def test_the_verdict_is_the_value_of_the_catalogue_expression(code: str) -> None:
    expression = LOGIC[code]
    names = sorted(oracle.names_in(expression))

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
    entries = {e["id"]: e for section in sections for e in section if "strength" in e}
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
