"""Days without a drug around radiation: told where no source leaves them open, never too long."""

from __future__ import annotations

import datetime as dt
from itertools import permutations
from typing import Any

import pytest

from isodose.clinical.derive.drugs import drug_facts
from isodose.clinical.record import Course, Exposure, Fact, PatientRecord

ON = dt.date(2026, 11, 23)
BEFORE, AFTER = "braf_mek_hold_days_before", "braf_mek_hold_days_after"
HELD = "systemic_hold_days_for_local_therapy"
FOR_SRS = {"status_reason": "Held for radiosurgery"}


def ago(days: int) -> dt.date:
    return ON - dt.timedelta(days=days)


def braf(ref: str = "MedicationRequest/b", **more: Any) -> Exposure:
    return Exposure(
        ref=ref, concept="dabrafenib", drug_class="braf_inhibitor", **({"status": "active"} | more)
    )


def held(last: int, **more: Any) -> Exposure:
    return braf(status="on-hold", start=ago(90), end=ago(last), **more)


def anew(first: int) -> Exposure:
    return braf("MedicationRequest/n", start=ago(first))


def given(*days: int) -> list[Exposure]:
    return [
        braf(
            f"MedicationAdministration/{n}", status="completed", start=ago(n), end=ago(n), given_on=(ago(n),)
        )
        for n in days
    ]


def osimertinib(ref: str = "MedicationRequest/o", **more: Any) -> Exposure:
    usual = {"concept": "osimertinib", "drug_class": "tki_egfr", "status": "on-hold", "start": ago(90)}
    return Exposure(ref=ref, **(usual | {"end": ago(8)} | more))


def srs(first: int = 5, last: int | None = None, **more: Any) -> Course:
    usual = {"ref": "Procedure/c", "certainty": "sure", "status": "completed"}
    usual |= {"kind": "single_srs" if last is None else "fsrs"}
    days = {"start": ago(first), "end": ago(first if last is None else last)}
    return Course(**(usual | days | more))


def told(name: str, exposures: list[Exposure], *courses: Course) -> list[Fact]:
    record = PatientRecord(patient_id="p", exposures=tuple(exposures), courses=courses or (srs(),))
    found = drug_facts(record, ON)
    return [f for s in found.of_scope("course") for f in s.facts if f.name == name]


def value(name: str, exposures: list[Exposure], *courses: Course) -> Any:
    facts = told(name, exposures, *courses)
    return facts[0].value if facts else None


@pytest.mark.parametrize(("last", "days"), [(5, 0), (6, 0), (7, 1), (8, 2), (30, 24)])
def test_days_before_are_whole_days_after_the_last_day_of_the_drug(last: int, days: int) -> None:
    assert value(BEFORE, [held(last)]) == (None if last == 5 else days)


@pytest.mark.parametrize(("first", "days"), [(4, 0), (3, 1), (0, 4), (-2, 6)])
def test_days_after_are_whole_days_before_the_drug_begins_anew(first: int, days: int) -> None:
    assert value(AFTER, [held(7), anew(first)]) == days


def test_a_fractionated_course_counts_from_its_ends() -> None:
    both = [held(12), anew(2)]
    assert value(BEFORE, both, srs(9, 5)) == 2
    assert value(AFTER, both, srs(9, 5)) == 2


@pytest.mark.parametrize(
    "other",
    [
        braf("MedicationRequest/x", start=ago(90)),
        braf("MedicationRequest/x", status="unknown", start=ago(90), end=ago(20)),
        braf("MedicationRequest/x", status="on-hold", start=ago(90)),
        braf("MedicationRequest/x", status="on-hold", start=ago(90), end=ago(-30)),
        braf("MedicationRequest/x", status="stopped", start=ago(90)),
        braf("MedicationStatement/x", status="completed", start=ago(20), end=ago(5)),
        braf("MedicationStatement/x", status="completed", end=ago(5)),
        braf("MedicationDispense/x", status="completed", start=ago(6), end=ago(-20)),
        braf("MedicationDispense/x", status="completed", end=ago(-20)),
    ],
)
def test_one_source_that_leaves_it_open_leaves_it_open(other: Exposure) -> None:
    assert value(BEFORE, [held(7)]) == 1
    assert value(BEFORE, [held(7), other]) is None


def test_a_supply_handed_over_before_the_hold_does_not_count() -> None:
    supply = braf("MedicationDispense/x", status="completed", start=ago(20), end=ago(-10))
    assert value(BEFORE, [held(7), supply]) == 1


@pytest.mark.parametrize(
    "other",
    [
        braf("MedicationRequest/x", start=ago(90)),
        braf("MedicationStatement/x", status="completed", start=ago(20), end=ago(4)),
        braf("MedicationDispense/x", status="completed", start=ago(4), end=ago(-20)),
    ],
)
def test_what_may_be_taken_after_the_last_fraction_leaves_the_restart_open(other: Exposure) -> None:
    both = [held(7), anew(2)]
    assert value(AFTER, both) == 2
    assert value(AFTER, [*both, other]) is None


def test_no_restart_is_no_number() -> None:
    assert value(AFTER, [held(7)]) is None


@pytest.mark.parametrize(("days", "before", "after"), [((6,), 0, None), ((5,), 0, 0), ((4,), None, 0)])
def test_a_recorded_dose_next_to_radiation_is_no_hold_whatever_the_orders_say(
    days: tuple[int, ...], before: int | None, after: int | None
) -> None:
    everything = [braf(start=ago(90)), *given(*days)]
    assert (value(BEFORE, everything), value(AFTER, everything)) == (before, after)
    name = BEFORE if before == 0 else AFTER
    assert told(name, everything)[0].certainty == "sure"


def test_of_two_doses_next_to_radiation_the_order_of_reading_does_not_matter() -> None:
    doses = given(6, 5)
    assert told(BEFORE, doses) == told(BEFORE, doses[::-1])


def test_a_gap_in_recorded_doses_counts_with_doses_on_either_side() -> None:
    assert (value(BEFORE, given(9, 8, 2)), value(AFTER, given(9, 8, 2))) == (2, 2)
    assert told(BEFORE, given(9, 8, 2))[0].certainty == "likely"
    assert value(BEFORE, given(9, 8)) is None
    assert value(AFTER, given(2)) is None


def test_a_draft_or_a_proposal_is_no_drug() -> None:
    drafts = [
        braf("MedicationRequest/d", status="planned", draft=True, start=ago(30)),
        braf("MedicationRequest/p", status="planned", start=ago(3)),
    ]
    assert (value(BEFORE, [held(7), *drafts]), value(AFTER, [held(7), *drafts])) == (1, None)


def test_the_order_of_the_sources_does_not_matter() -> None:
    sources = [held(9), braf("MedicationRequest/t", status="stopped", start=ago(50), end=ago(7)), anew(1)]
    assert {(value(BEFORE, list(p)), value(AFTER, list(p))) for p in permutations(sources)} == {(1, 3)}


@pytest.mark.parametrize(
    "course",
    [
        srs(status="stopped"),
        srs(draft=True),
        srs(40),
        srs(start=None, end=None),
        srs(start=dt.date(2026, 11, 1), end=dt.date(2026, 11, 30)),
        srs(kind="extracranial"),
    ],
)
def test_courses_that_are_past_unsure_of_their_day_or_of_another_kind_have_no_hold(course: Course) -> None:
    assert value(BEFORE, [held(60)], course) is None


def test_a_hold_before_radiation_that_is_ahead_is_told_as_it_stands() -> None:
    ahead = srs(-3, status="planned", ref="ServiceRequest/c")
    (fact,) = told(BEFORE, [held(2)], ahead)
    assert (fact.value, fact.certainty, fact.on, fact.source) == (4, "likely", ago(2), "MedicationRequest/b")


def test_the_end_that_an_order_on_hold_was_to_have_tells_no_hold() -> None:
    ahead = srs(-9, status="planned", ref="ServiceRequest/c")
    assert value(BEFORE, [held(-2)], ahead) is None


def test_a_day_that_is_ahead_is_no_day_of_the_fact() -> None:
    assert told(AFTER, [held(7), anew(-2)])[0].on is None


@pytest.mark.parametrize(
    ("reason", "days"),
    [
        ("Held for radiosurgery", 8),
        ("SRS of a brain metastasis on Friday", 8),
        ("whole-brain radiotherapy", 8),
        ("craniotomy", 8),
        ("rash", None),
        ("suspected radionecrosis", None),
        ("", None),
    ],
)
def test_systemic_therapy_counts_as_held_for_local_therapy_where_its_order_says_so(
    reason: str, days: int | None
) -> None:
    assert value(HELD, [osimertinib(status_reason=reason)]) == days


@pytest.mark.parametrize(
    ("more", "days"),
    [
        ({"status": "stopped"}, None),
        ({"end": ON}, 0),
        ({"end": None}, None),
        ({"end": ago(-4)}, None),
        ({"status": "active"}, None),
        ({"end": ago(60)}, None),
    ],
)
def test_the_hold_needs_a_status_a_day_and_radiation_near_it(more: dict[str, Any], days: int | None) -> None:
    assert value(HELD, [osimertinib(**FOR_SRS | more)]) == days


@pytest.mark.parametrize("first", [3, 0, -4])
def test_a_hold_that_is_over_or_has_its_end_is_none(first: int) -> None:
    again = osimertinib("MedicationRequest/n", status="active", start=ago(first), end=None)
    assert value(HELD, [osimertinib(**FOR_SRS), again]) is None


def test_a_source_that_says_the_drug_goes_on_leaves_the_hold_open() -> None:
    goes_on = osimertinib("MedicationStatement/s", status="active", end=None)
    supply = osimertinib("MedicationDispense/s", status="completed", start=ago(20), end=ago(-10))
    before = osimertinib("MedicationRequest/z", status="completed", start=ago(200), end=ago(90))
    assert value(HELD, [osimertinib(**FOR_SRS), goes_on]) is None
    assert value(HELD, [osimertinib(**FOR_SRS), supply, before]) == 8


def test_the_longest_hold_counts_and_stands_on_the_nearest_course() -> None:
    shorter = {"concept": "alectinib", "drug_class": "tki_alk", "end": ago(6)}
    both = [osimertinib(**FOR_SRS), osimertinib("MedicationRequest/k", **FOR_SRS | shorter)]
    assert value(HELD, both, srs(5), srs(25, ref="Procedure/far")) == 8
    assert [f.value for f in told(HELD, both, srs(5), srs(25, ref="Procedure/far"))] == [8]


def test_a_hold_that_the_consensus_asks_for_and_a_drug_that_treats_no_cancer_are_not_counted() -> None:
    levetiracetam = osimertinib(concept="levetiracetam", drug_class="antiseizure", **FOR_SRS)
    assert value(HELD, [held(8, **FOR_SRS), levetiracetam]) is None
