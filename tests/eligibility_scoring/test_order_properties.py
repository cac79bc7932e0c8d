"""Random records and orders: no review fails, and a fact moves no remark that does not rest on it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from eligibility_scoring import knowledge
from eligibility_scoring.decision import decide
from eligibility_scoring.dosing import wording
from eligibility_scoring.dosing.advice import advise
from eligibility_scoring.dosing.effect import bed_gy
from eligibility_scoring.order_review import remarks
from eligibility_scoring.order_review.order import orders
from eligibility_scoring.order_review.remark import Remark
from isodose.clinical import derive, facts
from isodose.clinical.record import Course, Fact, PatientRecord, Scope, Subject, TargetDose
from isodose.clinical.rules import View

QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate, Phase.shrink)
)
ON = dt.date(2026, 11, 23)
KNOWLEDGE = knowledge.load()
PATIENT = ("histology", "kps", "ecog", "life_expectancy_months", "lesion_count", "prior_wbrt", "pregnant")
LESION = (
    "lesion_setting",
    "lesion_diameter_cm",
    "lesion_volume_ml",
    "cavity_volume_ml",
    "cavity_diameter_cm",
    "lesion_near_oar",
    "perilesional_oedema",
    "tissue_needed",
    "urgent_surgery_needed",
)
PLAN = (
    "v12gy_ml",
    "v12_incl_target_ml",
    "v20_3fx_incl_target_ml",
    "optic_dmax_gy",
    "brainstem_dmax_gy",
    "prior_rt_to_oar",
    "ptv_margin_mm",
    "platform",
)
COURSE = ("days_from_surgery_to_srs", "days_from_srs_to_surgery")


def a_value(name: str) -> st.SearchStrategy[Any]:
    definition = facts.definition(name)
    match definition.type:
        case "boolean":
            return st.booleans()
        case "enum":
            return st.sampled_from(definition.values)
        case "integer":
            return st.integers(0, 100) | st.integers(0, 12)
        case _:
            return st.sampled_from([0.0, 0.5, 1.9, 2.0, 3.0, 4.0, 6.1, 10.0, 15.1]) | st.floats(0, 60)


def some(names: tuple[str, ...]) -> st.SearchStrategy[tuple[Fact, ...]]:
    known = st.fixed_dictionaries({}, optional={name: a_value(name) for name in names})
    return known.map(lambda d: tuple(Fact(name=n, value=v) for n, v in d.items()))


@st.composite
def drafted(draw: st.DrawFn) -> PatientRecord:
    lesions = [str(n) for n in range(draw(st.integers(0, 3)))]
    targets = tuple(draw(st.sets(st.sampled_from(lesions)))) if lesions else ()
    dose = st.none() | st.floats(1, 60)
    number = st.none() | st.integers(1, 10)
    own = [TargetDose(lesion=ref, total_gy=draw(dose), fractions=draw(number)) for ref in targets]
    order = Course(
        ref="order",
        kind=draw(st.sampled_from(("single_srs", "fsrs", "wbrt", "ha_wbrt"))),
        certainty=draw(st.sampled_from(("sure", "likely", "ask"))),
        status="planned",
        start=draw(st.none() | st.dates(ON, ON + dt.timedelta(days=60))),
        total_dose_gy=draw(dose),
        fractions_planned=draw(number),
        target_lesions=tuple(sorted(targets)),
        target_doses=tuple(own) if draw(st.booleans()) else (),
    )
    scopes: tuple[tuple[Scope, tuple[str, ...]], ...] = (("plan", PLAN), ("course", COURSE))
    subjects = [Subject(ref=ref, scope="lesion", facts=draw(some(LESION))) for ref in lesions]
    subjects += [Subject(ref="order", scope=scope, facts=draw(some(names))) for scope, names in scopes]
    return PatientRecord(
        patient_id="p", facts=draw(some(PATIENT)), subjects=tuple(subjects), courses=(order,)
    )


def reviewed(record: PatientRecord) -> list[Remark]:
    found = decide(record, KNOWLEDGE, ON)
    return remarks(orders(derive.as_of(record, ON), record.courses, found, KNOWLEDGE, ON))


@QUICK
@given(drafted())
def test_every_order_is_reviewed_and_every_remark_names_its_entries(record: PatientRecord) -> None:
    made = reviewed(record)
    for remark in made:
        assert remark.title
        assert remark.findings or remark.lines
        assert remark.code == "order-unchecked" or remark.code in KNOWLEDGE.entries
        assert set(remark.cited) <= KNOWLEDGE.entries.keys()
    serious = [remark.serious for remark in made]
    assert serious == sorted(serious, reverse=True)
    assert len({(remark.code, remark.title) for remark in made}) == len(made)


@QUICK
@given(drafted())
def test_an_organ_at_risk_moves_no_remark_on_dose(record: PatientRecord) -> None:
    def without(remark: Remark) -> bool:
        return not remark.code.startswith("SUP-OAR")

    bare = tuple(
        Subject(ref=s.ref, scope=s.scope, facts=tuple(f for f in s.facts if "dmax" not in f.name))
        for s in record.subjects
    )
    fewer = PatientRecord(patient_id="p", facts=record.facts, subjects=bare, courses=record.courses)
    kept = [(r.code, r.title) for r in reviewed(record) if without(r)]
    assert kept == [(r.code, r.title) for r in reviewed(fewer) if without(r)]


@QUICK
@given(drafted())
def test_every_lesion_is_advised_ranges_that_are_ranges(record: PatientRecord) -> None:
    seen = derive.as_of(record, ON)
    for lesion in seen.of_scope("lesion"):
        advice = advise(View(seen, ON, lesion), KNOWLEDGE, ON)
        assert wording.usual(advice)
        for scheme in (*advice.taken, *advice.other):
            assert scheme.high is not None
            assert scheme.low is None or scheme.low <= scheme.high
            assert scheme.holds(scheme.high)


@QUICK
@given(st.integers(1, 30), st.floats(0.5, 30), st.floats(0.5, 5), st.floats(1, 20))
def test_bed_grows_with_dose_and_falls_with_alpha_beta(
    fractions: int, single: float, more: float, alpha_beta: float
) -> None:
    bed = bed_gy(fractions, single, alpha_beta)
    assert bed_gy(fractions, single + more, alpha_beta) > bed > fractions * single
    assert bed_gy(fractions, single, alpha_beta + more) < bed
