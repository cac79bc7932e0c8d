"""Every verdict is the value of the catalogue's own expression, read by an independent interpreter."""

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
from ici_steroid_alerts import decision, knowledge
from isodose.clinical import facts, rules
from isodose.clinical.record import Fact, PatientRecord, Subject

TESTS = Path(__file__).parents[1]
ON = dt.date(2026, 11, 23)
SHARED = Path(os.environ.get("ISODOSE_SHARED", TESTS.parents[1] / "shared")) / "clinical"
OFF = {"SUP-HOLD-vegfr-tki-surgery", "SUP-HOLD-oligocare"}
KNOWLEDGE = knowledge.load(enable=OFF)
RULES = {rule.code: rule for rule in decision.RULES}
needs_catalogue = pytest.mark.skipif(
    not SHARED.exists(), reason="the clinical catalogue is not here; set ISODOSE_SHARED"
)


def _entries() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in ("catalogue.yaml", "supplement.yaml"):
        if (SHARED / name).exists():
            content = yaml.safe_load((SHARED / name).read_text(encoding="utf-8"))
            sections = (section for section in content.values() if isinstance(section, list))
            found |= {e["id"]: e for section in sections for e in section if "id" in e}
    return found


ENTRIES = _entries()
EXECUTABLE = sorted(code for code in RULES if ENTRIES.get(code, {}).get("logic"))


def _values(name: str, expression: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    if definition.type == "boolean":
        return st.booleans()
    if definition.type == "enum":
        return st.sampled_from(definition.values)
    numbers = oracle.numbers_in(expression) or [0]
    signed = [*numbers, *(-n for n in numbers)] if name.startswith("days_from_srs") else numbers
    step = 1 if definition.type == "integer" else 0.01
    edges = sorted({e + s for e in signed for s in (-step, 0, step)})
    if definition.type == "integer":
        return st.sampled_from([int(e) for e in edges]) | st.integers(-200, 200)
    return st.sampled_from([max(0.0, float(e)) for e in edges]) | st.floats(0, 200)


def _record(known: dict[str, Any]) -> PatientRecord:
    by_scope: dict[str, list[Fact]] = {}
    for name, value in known.items():
        scope = facts.definition(name).scope
        by_scope.setdefault("patient" if scope == "drug" else scope, []).append(Fact(name=name, value=value))
    own = tuple(by_scope.pop("patient", ()))
    subjects = tuple(
        Subject(ref=f"{scope}/1", scope=scope, facts=tuple(given))  # type: ignore[arg-type]
        for scope, given in sorted(by_scope.items())
    )
    return PatientRecord(patient_id="p", facts=own, subjects=subjects)


@needs_catalogue
@pytest.mark.parametrize("code", EXECUTABLE)
def test_the_verdict_is_the_value_of_the_expression(code: str) -> None:
    expression = ENTRIES[code]["logic"]
    names = sorted(oracle.names_in(expression))

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.fixed_dictionaries({}, optional={name: _values(name, expression) for name in names}))
    def agrees(known: dict[str, Any]) -> None:
        (finding,) = rules.judge([RULES[code]], _record(known), KNOWLEDGE, ON)
        assert (finding.verdict, finding.value) == oracle.verdict_of(expression, known)
        assert set(finding.missing) <= set(names) - {n for n, v in known.items() if v != "unknown"}
        assert bool(finding.missing) is (finding.verdict == "unknown")

    agrees()


@needs_catalogue
@pytest.mark.parametrize("code", EXECUTABLE)
def test_a_fact_more_never_turns_a_decision_round(code: str) -> None:
    expression = ENTRIES[code]["logic"]
    names = sorted(oracle.names_in(expression))
    all_known = st.fixed_dictionaries({name: _values(name, expression) for name in names})

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(all_known, st.sets(st.sampled_from(names)))
    def only_settles(known: dict[str, Any], hidden: set[str]) -> None:
        part = {name: value for name, value in known.items() if name not in hidden}
        (less,) = rules.judge([RULES[code]], _record(part), KNOWLEDGE, ON)
        (more,) = rules.judge([RULES[code]], _record(known), KNOWLEDGE, ON)
        assert less.verdict in ("unknown", more.verdict)

    only_settles()


@needs_catalogue
def test_every_drug_entry_has_a_rule() -> None:
    wanted = {code for code in ENTRIES if code.startswith(("DRUG-", "SUP-STER-", "SUP-ICIPK-", "SUP-HOLD-"))}
    wanted |= {code for code in ENTRIES if code.startswith(("TIME-ici-", "TIME-systemic-", "TIME-nivolumab"))}
    assert wanted <= RULES.keys()
    wanted |= {code for code in ENTRIES if code.startswith(("ARE-RISK-ici", "ARE-RISK-tdm1", "ARE-RISK-adc"))}
    assert wanted <= RULES.keys()
    evidence = {code for code, entry in KNOWLEDGE.entries.items() if entry.shown_with}
    assert set(KNOWLEDGE.entries) == set(RULES) | evidence


@needs_catalogue
@pytest.mark.parametrize("code", sorted(set(RULES) & set(ENTRIES)))
def test_strength_and_sources_are_those_of_the_catalogue(code: str) -> None:
    entry, original = KNOWLEDGE.entries[code], ENTRIES[code]
    assert entry.strength == original["strength"]
    assert entry.enabled is original.get("enable", True)
    cited = [(source.cite, source.figure, source.seen) for source in entry.evidence]
    for source in original["evidence"]:
        expected = (source["cite"], str(source.get("figure", "")), source.get("seen", "review"))
        assert expected in cited, f"{code} does not cite {source['cite']}"
    for note in ("boundary", "conflicts", "suspect"):
        assert bool(getattr(entry, note)) >= bool(original.get(note)), f"{code} lacks its {note}"
    assert entry.statement != original["statement"], "own words"


@pytest.mark.parametrize("code", sorted(OFF))
def test_an_entry_that_is_off_runs_only_when_a_setting_turns_it_on(code: str) -> None:
    off = decision.decide(PatientRecord(patient_id="p"), knowledge.load(), ON)
    on = decision.decide(PatientRecord(patient_id="p"), knowledge.load(enable=[code, "SUP-OF-ANOTHER"]), ON)
    assert code not in {finding.code for finding in off}
    assert code in {finding.code for finding in on}


def test_a_recalled_figure_says_that_it_awaits_sign_off() -> None:
    findings = {f.code: f for f in decision.decide(PatientRecord(patient_id="p"), KNOWLEDGE, ON)}
    assert findings["SUP-STER-taper"].awaits_sign_off
    assert not findings["DRUG-steroid-ici-alert"].awaits_sign_off
