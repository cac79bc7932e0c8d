"""Random records: no rule crashes, and learning a fact only makes an answer surer, never different."""

from __future__ import annotations

import ast
import datetime as dt
import inspect
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from eligibility_scoring import decision, knowledge
from eligibility_scoring.decision import decide
from eligibility_scoring.options import Appraisal, options
from isodose.clinical import derive, facts
from isodose.clinical.finding import Finding, encode
from isodose.clinical.record import Fact, PatientRecord, Scope, Subject

QUICK = (Phase.explicit, Phase.generate, Phase.shrink)
"""Without hypothesis' own explanations, which trace every line and take minutes."""

ON = dt.date(2026, 11, 23)
KNOWLEDGE = knowledge.load(c for c, entry in knowledge.load().entries.items() if not entry.enabled)
SCOPES: tuple[Scope, ...] = ("patient", "lesion", "plan", "course")


def asked_for() -> list[str]:
    """The names of the facts that some rule of this service reads."""
    modules = {inspect.getmodule(rule.logic) for rule in decision.RULES}
    trees = [ast.parse(inspect.getsource(module)) for module in modules if module]
    words = {n.value for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    return sorted({*words & facts.vocabulary().keys(), "are_status", "lesion_volume_ml"})


NAMES = asked_for()


def a_value(name: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    match definition.type:
        case "boolean":
            return st.booleans()
        case "enum":
            return st.sampled_from(definition.values)
        case "integer":
            return st.integers(0, 12) | st.integers(0, 100)
        case _:
            return st.sampled_from([0.0, 0.9, 1.0, 2.0, 2.5, 3.0, 4.0, 7.0, 30.0]) | st.floats(0, 100)


@st.composite
def records(draw: st.DrawFn) -> PatientRecord:
    lesions = draw(st.integers(0, 2))
    subjects: list[Subject] = [
        Subject(ref=f"lesion/{n}", scope="lesion", facts=draw(facts_of("lesion"))) for n in range(lesions)
    ]
    subjects += [Subject(ref=s, scope=s, facts=draw(facts_of(s))) for s in ("plan", "course")]
    return PatientRecord(patient_id="p", facts=draw(facts_of("patient")), subjects=tuple(subjects))


def facts_of(scope: str) -> st.SearchStrategy[tuple[Fact, ...]]:
    names = [name for name in NAMES if facts.definition(name).scope == scope]
    known = st.fixed_dictionaries({}, optional={name: a_value(name) for name in names})
    return known.map(lambda d: tuple(Fact(name=n, value=v) for n, v in d.items()))


def verdicts(found: list[Finding]) -> dict[tuple[str, str], tuple[str, Any]]:
    return {(f.code, f.applies_to): (f.verdict, f.value) for f in found}


@settings(max_examples=40, deadline=None, derandomize=True, phases=QUICK)
@given(records())
def test_no_record_crashes_a_rule_and_the_same_record_gives_the_same_bytes(record: PatientRecord) -> None:
    found = decide(record, KNOWLEDGE, ON)
    assert encode(found) == encode(decide(record, KNOWLEDGE, ON))
    assert len(options(found, KNOWLEDGE, record)) == 14
    assert {f.code for f in found} == {rule.code for rule in decision.RULES}


@settings(max_examples=150, deadline=None, derandomize=True, phases=QUICK)
@given(records(), st.data())
def test_learning_a_fact_only_makes_the_answer_surer(record: PatientRecord, data: st.DataObject) -> None:
    fact, learned = one_more_fact(record, data)
    before, after = decide(record, KNOWLEDGE, ON), decide(learned, KNOWLEDGE, ON)
    known = verdicts(after)
    for finding in before:
        key = (finding.code, finding.applies_to)
        if finding.verdict != "unknown":
            assert known[key] == (finding.verdict, finding.value), (key, fact)
    stood = options(before, KNOWLEDGE, record)
    stands = {o.code: o for o in options(after, KNOWLEDGE, learned)}
    for option in stood:
        possible = set(option.possible or (option.standing,))
        now = stands[option.code]
        assert set(now.possible or (now.standing,)) <= possible, (option, now, fact)
        assert option.bound[0] <= now.bound[0] <= now.bound[1] <= option.bound[1], (option, now, fact)


@settings(max_examples=60, deadline=None, derandomize=True, phases=QUICK)
@given(records())
def test_what_is_withheld_names_the_facts_that_withhold_it(record: PatientRecord) -> None:
    found = decide(record, KNOWLEDGE, ON)
    appraisal = Appraisal(found, KNOWLEDGE, record)
    named = {fact.name for fact in appraisal.missing}
    for option in appraisal.options:
        assert (option.score is None) == (option.bound[0] < option.bound[1] or option.standing == "unknown")
        if option.standing == "unknown":
            assert named & set(option.missing), option
        assert option.leads is (option == appraisal.leading)


def one_more_fact(record: PatientRecord, data: st.DataObject) -> tuple[Fact, PatientRecord]:
    """`record` and one fact that it neither has nor gives by derivation, on the patient or on one subject."""
    places = [("patient", -1), *((s.scope, i) for i, s in enumerate(record.subjects))]
    scope, index = data.draw(st.sampled_from(places))
    known = derive.as_of(record, ON)
    there = {f.name for f in (known.facts if index < 0 else known.subjects[index].facts)}
    names = [n for n in NAMES if facts.definition(n).scope == scope and n not in there]
    if not names:
        return Fact(name="kps", value=0), record
    name = data.draw(st.sampled_from(names))
    fact = Fact(name=name, value=data.draw(a_value(name)))
    if index < 0:
        return fact, PatientRecord(patient_id="p", facts=(*record.facts, fact), subjects=record.subjects)
    subject = record.subjects[index]
    wiser = Subject(ref=subject.ref, scope=subject.scope, facts=(*subject.facts, fact))
    subjects = (*record.subjects[:index], wiser, *record.subjects[index + 1 :])
    return fact, PatientRecord(patient_id="p", facts=record.facts, subjects=subjects)
