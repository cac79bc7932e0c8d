"""How a rule sees the facts: of the patient, of one lesion, of what is linked; and what a finding says."""

from __future__ import annotations

import datetime as dt

import pytest

from isodose.clinical import finding as findings
from isodose.clinical.facts import UnknownFactName
from isodose.clinical.finding import Citation
from isodose.clinical.knowledge import DatedValue, Entry, Knowledge
from isodose.clinical.logic import choose
from isodose.clinical.record import Fact, PatientRecord, Subject
from isodose.clinical.rules import Rule, View, current, judge

ON = dt.date(2026, 11, 23)


def entry(**more: object) -> Entry:
    values = {"below": (DatedValue(valid_from=dt.date(2025, 3, 19), value=70),)}
    return Entry(
        statement="Poor.", strength="conditional", evidence=(Citation(cite="A"),), values=values, **more
    )  # type: ignore[arg-type]


def kps(value: int, on: str = "2026-11-01", *, stated: bool = True, source: str = "") -> Fact:
    return Fact(name="kps", value=value, on=dt.date.fromisoformat(on), stated=stated, source=source)


def patient(*facts: Fact, subjects: tuple[Subject, ...] = ()) -> PatientRecord:
    return PatientRecord(patient_id="p", version=7, facts=facts, subjects=subjects)


def lesion(ref: str, cm: float | None, *links: str) -> Subject:
    facts = () if cm is None else (Fact(name="lesion_diameter_cm", value=cm),)
    return Subject(ref=ref, scope="lesion", facts=facts, links=links)


def test_the_newest_value_counts_and_none_dated_after_the_day() -> None:
    given = [kps(90, "2026-01-01"), kps(60, "2026-11-01"), kps(20, "2026-11-24")]
    found = current(given, "kps", ON)
    assert found is not None
    assert found.value == 60
    assert current(given[2:], "kps", ON) is None


def test_a_stated_value_counts_before_a_newer_derived_one() -> None:
    found = current([kps(60, "2026-01-01"), kps(90, "2026-11-01", stated=False)], "kps", ON)
    assert found is not None
    assert found.value == 60


def test_the_order_in_which_facts_stand_does_not_matter() -> None:
    one, other = kps(60, source="Observation/a"), kps(90, source="Observation/b")
    assert current([one, other], "kps", ON) == current([other, one], "kps", ON)


def test_a_rule_of_lesions_is_judged_once_for_each() -> None:
    record = patient(subjects=(lesion("a", 1.0), lesion("b", 3.0)))
    rule = Rule("X", lambda f, k: f["lesion_diameter_cm"] > 2, "lesion")
    found = judge([rule], record, Knowledge({"X": entry()}), ON)
    assert [(f.applies_to, f.verdict) for f in found] == [("a", "not-met"), ("b", "met")]


def test_without_a_lesion_a_rule_of_lesions_is_judged_once_and_names_what_is_missing() -> None:
    rule = Rule("X", lambda f, k: f["lesion_diameter_cm"] > 2, "lesion")
    (found,) = judge([rule], patient(), Knowledge({"X": entry()}), ON)
    assert (found.applies_to, found.verdict, found.missing) == ("", "unknown", ("lesion_diameter_cm",))
    assert found.change


@pytest.mark.parametrize(("other", "seen"), [(1.0, 1.0), (2.0, None), (None, None)])
def test_seen_from_the_patient_lesions_that_disagree_leave_it_unknown(
    other: float | None, seen: float | None
) -> None:
    record = patient(subjects=(lesion("a", 1.0), lesion("b", other)))
    assert View(record, ON)["lesion_diameter_cm"].value == seen


def test_a_plan_sees_the_lesions_it_is_linked_to() -> None:
    plan = Subject(ref="plan", scope="plan", links=("b",))
    record = patient(subjects=(lesion("a", 1.0), lesion("b", 3.0), plan))
    assert View(record, ON, plan)["lesion_diameter_cm"].value == 3.0


def test_what_names_another_lesion_says_nothing_of_this_one() -> None:
    plan = Subject(ref="plan", scope="plan", links=("1",), facts=(Fact(name="fractions", value=5),))
    loose = Subject(ref="loose", scope="plan", facts=(Fact(name="fractions", value=3),))
    one, two = Subject(ref="1", scope="lesion"), Subject(ref="2", scope="lesion")
    record = patient(subjects=(one, two, plan))
    assert View(record, ON, one)["fractions"].value == 5
    assert View(record, ON, two)["fractions"].value is None
    assert View(patient(subjects=(one, two, plan, loose)), ON, two)["fractions"].value == 3


def test_a_lesion_sees_the_facts_of_the_patient() -> None:
    only = lesion("a", 1.0)
    assert View(patient(kps(90), subjects=(only,)), ON, only)["kps"].value == 90


def test_a_fact_that_the_vocabulary_does_not_have_is_a_mistake_of_the_rule() -> None:
    with pytest.raises(UnknownFactName):
        View(patient(), ON)["kpz"]


def test_a_finding_names_record_knowledge_day_and_the_facts_used() -> None:
    knowledge = Knowledge({"X": entry(met="Poor.", not_met="Good.", action="Ask.")})
    rule = Rule("X", lambda f, k: f["kps"] < k["below"])
    (found,) = judge([rule], patient(kps(60)), knowledge, ON)
    assert (found.record_version, found.knowledge_version, found.on) == (7, knowledge.version, ON)
    assert [(f.name, f.value, f.on) for f in found.facts] == [("kps", 60, dt.date(2026, 11, 1))]
    assert (found.summary, found.action) == ("Poor.", "Ask.")
    (other,) = judge([rule], patient(kps(70)), knowledge, ON)
    assert (other.verdict, other.summary, other.action) == ("not-met", "Good.", "")


def test_each_part_of_an_entry_stands_in_its_place_on_the_finding() -> None:
    words = ("met", "action", "boundary", "caution", "conflicts", "suspect")
    held = Knowledge({"X": entry(**{word: word for word in words}, unit="Gy", severity="high")})
    beside = entry(shown_with=("X",))
    held = Knowledge({**held.entries, "Y": beside})
    only = lesion("l", 1.5)
    rule = Rule("X", lambda f, k: f["lesion_diameter_cm"] + 1, "lesion")
    (found,) = judge([rule], patient(subjects=(only,)), held, ON)
    assert found == findings.Finding(
        code="X",
        verdict="met",
        summary="met",
        strength="conditional",
        applies_to="l",
        value=2.5,
        unit="Gy",
        severity="high",
        facts=found.facts,
        sources=(Citation(cite="A"),),
        evidence=("Y",),
        action="action",
        boundary="boundary",
        caution="caution",
        conflicts="conflicts",
        suspect="suspect",
        record_version=7,
        knowledge_version=held.version,
        on=ON,
    )
    (unknown,) = judge([rule], patient(), held, ON)
    assert unknown.missing == ("lesion_diameter_cm",)
    assert unknown.change == "Decided once known: Maximum diameter of the lesion being planned"


def test_a_value_is_met_and_no_value_is_not_met() -> None:
    knowledge = Knowledge({"X": entry()})
    (found,) = judge([Rule("X", lambda f, k: f["kps"] + 1)], patient(kps(60)), knowledge, ON)
    assert (found.verdict, found.value) == ("met", 61)


def test_what_a_rule_yields_stands_in_its_sentence() -> None:
    record = patient(kps(90))
    held = Knowledge({"X": entry(met="At most {value}.", met_as={"low": "Below the limit."}, unit="Gy")})
    number, label = (Rule("X", lambda f, k, v=v: choose((f["kps"] > 1, v))) for v in (17.5, "low"))
    (first,), (second,) = (judge([rule], record, held, ON) for rule in (number, label))
    assert (first.summary, first.value, first.unit) == ("At most 17.5.", 17.5, "Gy")
    assert (second.summary, second.value) == ("Below the limit.", "low")


def test_an_acronym_keeps_its_capitals_among_what_is_missing() -> None:
    (found,) = judge([Rule("X", lambda f, k: f["ecog"] > 2)], patient(), Knowledge({"X": entry()}), ON)
    assert "ECOG performance" in found.summary


def test_an_entry_that_is_off_is_not_judged_until_it_is_enabled() -> None:
    rule = Rule("X", lambda f, k: f["kps"] < k["below"])
    off = {"X": entry(enabled=False)}
    assert judge([rule], patient(kps(60)), Knowledge(off), ON) == []
    assert len(judge([rule], patient(kps(60)), Knowledge(off, enable=["X"]), ON)) == 1


def test_the_same_decision_gives_the_same_bytes() -> None:
    rule = Rule("X", lambda f, k: f["kps"] < k["below"])
    made = [findings.encode(judge([rule], patient(kps(60)), Knowledge({"X": entry()}), ON)) for _ in range(2)]
    assert made[0] == made[1]
