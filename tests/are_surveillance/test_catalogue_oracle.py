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
from are_surveillance import decision, knowledge
from isodose.clinical import facts, rules
from isodose.clinical.record import Fact, PatientRecord, Subject

TESTS = Path(__file__).parents[1]
ON = dt.date(2026, 11, 23)
SHARED = Path(os.environ.get("ISODOSE_SHARED", TESTS.parents[1] / "shared")) / "clinical"
OFF = ("SUP-ARE-size-sneed", "SUP-IMG-mrs")
KNOWLEDGE = knowledge.load(OFF)
OWN = {"compiler": "the supplement's own proposal, without a published source"}
RULES = {rule.code: rule for rule in decision.RULES}
WITHOUT_EXPRESSION = {"SUP-ARE-size-sneed"}
"""Rules of the project's own on entries that the catalogue gives no expression."""
SECTIONS = {
    "supplement.yaml": (
        "surveillance",
        "are_quantification",
        "response_and_grading",
        "imaging_cutoffs",
        "mri_safety",
    ),
    "catalogue.yaml": ("are_risk", "are_diagnosis", "are_management"),
}
FROM_OTHER_SECTIONS = {"SUP-HOLD-bevacizumab-surgery", "SUP-MGMT-bevacizumab-regimen"}
needs_catalogue = pytest.mark.skipif(
    not SHARED.exists(), reason="the clinical catalogue is not here; set ISODOSE_SHARED"
)


def _entries() -> tuple[dict[str, dict[str, Any]], set[str]]:
    """All entries that this service may hold, and those it has to account for."""
    found: dict[str, dict[str, Any]] = {}
    wanted: set[str] = set()
    for name, sections in SECTIONS.items():
        if not (SHARED / name).exists():
            continue
        content = yaml.safe_load((SHARED / name).read_text(encoding="utf-8"))
        for section, listed in content.items():
            if isinstance(listed, list):
                entries = {
                    entry["id"]: entry for entry in listed if isinstance(entry, dict) and "id" in entry
                }
                found |= entries
                wanted |= entries.keys() if section in sections else set()
    return found, wanted | FROM_OTHER_SECTIONS


ENTRIES, WANTED = _entries()


def _values(name: str, expression: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    if definition.type == "boolean":
        return st.booleans()
    if definition.type == "enum":
        return st.sampled_from(definition.values)
    edges = sorted({e + s for e in oracle.numbers_in(expression) or [0] for s in (-1, -0.01, 0, 0.01, 1)})
    if definition.type == "integer":
        return st.sampled_from([int(e) for e in edges]) | st.integers(0, 200)
    return st.sampled_from([max(0.0, float(e)) for e in edges]) | st.floats(0, 200)


def _record(known: dict[str, Any]) -> PatientRecord:
    by_scope: dict[str, list[Fact]] = {}
    for name, value in known.items():
        by_scope.setdefault(facts.definition(name).scope, []).append(Fact(name=name, value=value))
    own = (*by_scope.pop("patient", ()), *by_scope.pop("site", ()))
    subjects = tuple(
        Subject(ref=f"{scope}/1", scope=scope, facts=tuple(given))  # type: ignore[arg-type]
        for scope, given in sorted(by_scope.items())
    )
    return PatientRecord(patient_id="p", facts=own, subjects=subjects)


@needs_catalogue
@pytest.mark.parametrize("code", sorted(RULES.keys() - WITHOUT_EXPRESSION))
def test_the_verdict_is_the_value_of_the_expression(code: str) -> None:
    expression = ENTRIES[code]["logic"]
    names = sorted(oracle.names_in(expression))

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.fixed_dictionaries({}, optional={name: _values(name, expression) for name in names}))
    def agrees(known: dict[str, Any]) -> None:
        (finding,) = rules.judge([RULES[code]], _record(known), KNOWLEDGE, ON)
        assert (finding.verdict, finding.value) == oracle.verdict_of(expression, known)
        assert bool(finding.missing) is (finding.verdict == "unknown")

    agrees()


@needs_catalogue
def test_every_entry_of_these_sections_is_held_and_each_expression_is_a_rule() -> None:
    assert set(KNOWLEDGE.entries) == WANTED
    assert {code for code in WANTED if "logic" in ENTRIES[code]} == RULES.keys() - WITHOUT_EXPRESSION


@needs_catalogue
def test_what_the_supplement_switches_off_is_off() -> None:
    off = {code for code, entry in knowledge.load().entries.items() if not entry.enabled}
    assert off == {code for code in WANTED if ENTRIES[code].get("enable") is False} == set(OFF)


@needs_catalogue
@pytest.mark.parametrize("code", sorted(KNOWLEDGE.entries))
def test_strength_notes_and_sources_are_kept(code: str) -> None:
    entry, original = KNOWLEDGE.entries[code], ENTRIES[code]
    assert entry.strength == original["strength"]
    assert entry.statement != original["statement"], "own words"
    cited = [(s.cite, s.seen, s.via, s.doi, s.pmid, s.ref) for s in entry.evidence]
    for source in original["evidence"]:
        ref = source.get("ref") or ()
        assert (
            OWN.get(source["cite"], source["cite"]),
            source.get("seen", "review"),
            source.get("via", ""),
            source.get("doi", ""),
            str(source.get("pmid", "")),
            tuple(ref) if isinstance(ref, list) else (ref,) if ref else (),
        ) in cited
    for note in ("conflicts", "suspect", "derived", "caution"):
        assert bool(getattr(entry, note)) >= bool(original.get(note)), f"{code} lacks its {note}"
