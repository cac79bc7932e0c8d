"""Every verdict is the value of the supplement's own expression, read by an independent interpreter."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from are_surveillance import decision, knowledge
from isodose.clinical import facts, rules
from isodose.clinical.record import Fact, PatientRecord, Subject

TESTS = Path(__file__).parents[1]
ON = dt.date(2026, 11, 23)
SHARED = Path(os.environ.get("ISODOSE_SHARED", TESTS.parents[1] / "shared")) / "clinical"
KNOWLEDGE = knowledge.load()
OWN = {"compiler": "the supplement's own proposal, without a published source"}
RULES = {rule.code: rule for rule in decision.RULES}
needs_catalogue = pytest.mark.skipif(
    not SHARED.exists(), reason="the clinical catalogue is not here; set ISODOSE_SHARED"
)


def _oracle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kleene_oracle", TESTS / "kleene_oracle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ORACLE = _oracle()


def _entries() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, section in (("supplement.yaml", "surveillance"), ("catalogue.yaml", "are_diagnosis")):
        if (SHARED / name).exists():
            content = yaml.safe_load((SHARED / name).read_text(encoding="utf-8"))
            found |= {entry["id"]: entry for entry in content[section]}
    return found


ENTRIES = _entries()


def _values(name: str, expression: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    if definition.type == "boolean":
        return st.booleans()
    if definition.type == "enum":
        return st.sampled_from(definition.values)
    edges = sorted({e + s for e in ORACLE.numbers_in(expression) or [0] for s in (-1, -0.01, 0, 0.01, 1)})
    if definition.type == "integer":
        return st.sampled_from([int(e) for e in edges]) | st.integers(0, 200)
    return st.sampled_from([max(0.0, float(e)) for e in edges]) | st.floats(0, 200)


def _record(known: dict[str, Any]) -> PatientRecord:
    by_scope: dict[str, list[Fact]] = {}
    for name, value in known.items():
        by_scope.setdefault(facts.definition(name).scope, []).append(Fact(name=name, value=value))
    own = tuple(by_scope.pop("patient", ()))
    subjects = tuple(
        Subject(ref=f"{scope}/1", scope=scope, facts=tuple(given))  # type: ignore[arg-type]
        for scope, given in sorted(by_scope.items())
    )
    return PatientRecord(patient_id="p", facts=own, subjects=subjects)


@needs_catalogue
@pytest.mark.parametrize("code", sorted(RULES))
def test_the_verdict_is_the_value_of_the_expression(code: str) -> None:
    expression = ENTRIES[code]["logic"]
    names = sorted(ORACLE.names_in(expression))

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.fixed_dictionaries({}, optional={name: _values(name, expression) for name in names}))
    def agrees(known: dict[str, Any]) -> None:
        (finding,) = rules.judge([RULES[code]], _record(known), KNOWLEDGE, ON)
        assert (finding.verdict, finding.value) == ORACLE.verdict_of(expression, known)
        assert bool(finding.missing) is (finding.verdict == "unknown")

    agrees()


@needs_catalogue
def test_every_surveillance_entry_is_a_rule_or_evidence_with_a_reason() -> None:
    wanted = {code for code in ENTRIES if code.startswith("SUP-")}
    assert wanted == (RULES.keys() | decision.EVIDENCE.keys()) - {"ARE-DX-trigger"}
    assert set(KNOWLEDGE.entries) == RULES.keys() | decision.EVIDENCE.keys()
    assert not RULES.keys() & decision.EVIDENCE.keys()
    assert all("logic" not in ENTRIES[code] for code in decision.EVIDENCE)


@needs_catalogue
@pytest.mark.parametrize("code", sorted(KNOWLEDGE.entries))
def test_strength_notes_and_sources_are_kept(code: str) -> None:
    entry, original = KNOWLEDGE.entries[code], ENTRIES[code]
    assert entry.strength == original["strength"]
    assert entry.statement != original["statement"], "own words"
    cited = {source.cite: source for source in entry.evidence}
    for source in original["evidence"]:
        name = OWN.get(source["cite"], source["cite"])
        assert cited[name].seen == source.get("seen", "review")
        assert cited[name].via == source.get("via", "")
        assert (cited[name].doi, cited[name].pmid) == (source.get("doi", ""), str(source.get("pmid", "")))
    for note in ("boundary", "conflicts", "suspect", "derived", "caution"):
        assert bool(getattr(entry, note)) >= bool(original.get(note)), f"{code} lacks its {note}"
