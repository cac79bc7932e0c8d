"""What follows from courses on a day, and what must not be concluded."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from isodose.clinical import derive, facts
from isodose.clinical.record import Course, Fact, Operation, PatientRecord, Scan, Subject

D = dt.date.fromisoformat
L1 = Subject(ref="BodyStructure/l1", scope="lesion")
L2 = Subject(ref="BodyStructure/l2", scope="lesion")


def course(ref: str = "Procedure/c", **told: Any) -> Course:
    usual = {"kind": "single_srs", "certainty": "sure", "status": "completed", "end": D("2024-02-29")}
    return Course(ref=ref, **(usual | told))


def value(record: PatientRecord, on: str, name: str, ref: str = "") -> Any:
    derived = derive.as_of(record, D(on))
    given = derived.facts if not ref else next((s.facts for s in derived.subjects if s.ref == ref), ())
    found = facts.current(given, name, D(on))
    return found.value if found else None


@pytest.mark.parametrize(
    ("on", "months"),
    [
        ("2024-02-28", None),
        ("2024-02-29", 0.0),
        ("2025-02-28", 12.0),
        ("2026-02-27", 23.96),
        ("2026-02-28", 24.0),
    ],
)
def test_months_since_radiosurgery_turn_on_the_anniversary(on: str, months: float | None) -> None:
    record = PatientRecord(patient_id="p", subjects=(L1,), courses=(course(target_lesions=(L1.ref,)),))
    assert value(record, on, "months_since_srs", L1.ref) == months


def test_a_stated_fact_comes_first() -> None:
    stated = Subject(ref=L1.ref, scope="lesion", facts=(Fact(name="months_since_srs", value=7),))
    record = PatientRecord(patient_id="p", subjects=(stated,), courses=(course(target_lesions=(L1.ref,)),))
    assert value(record, "2026-02-28", "months_since_srs", L1.ref) == 7


def test_with_two_lesions_and_no_target_it_is_not_guessed_which_was_treated() -> None:
    record = PatientRecord(patient_id="p", subjects=(L1, L2), courses=(course(),))
    assert value(record, "2026-02-28", "months_since_srs", L1.ref) is None


def test_a_course_of_uncertain_kind_gives_an_uncertain_fact() -> None:
    record = PatientRecord(patient_id="p", subjects=(L1,), courses=(course(kind="focal", certainty="ask"),))
    derived = derive.as_of(record, D("2024-06-01"))
    (fact,) = [
        f for s in derived.subjects if s.ref == L1.ref for f in s.facts if f.name == "months_since_srs"
    ]
    assert fact.certainty == "ask"


def test_whole_brain_radiotherapy_is_known_from_the_day_it_ended() -> None:
    record = PatientRecord(patient_id="p", courses=(course(kind="wbrt"),))
    assert value(record, "2024-02-28", "prior_wbrt") is None
    assert value(record, "2024-02-29", "prior_wbrt") is True


def test_one_radiosurgery_is_not_its_own_earlier_radiation() -> None:
    record = PatientRecord(patient_id="p", subjects=(L1,), courses=(course(target_lesions=(L1.ref,)),))
    assert value(record, "2024-06-01", "prior_srs_same_lesion", L1.ref) is None
    assert value(record, "2024-06-01", "prior_cranial_rt_to_site", L1.ref) is None


@pytest.mark.parametrize("status", ["completed", "planned"])
def test_a_second_radiosurgery_makes_the_first_an_earlier_one(status: str) -> None:
    again = course(
        "Procedure/d", status=status, target_lesions=(L1.ref,), start=D("2024-05-01"), end=D("2024-05-01")
    )
    record = PatientRecord(patient_id="p", subjects=(L1,), courses=(course(target_lesions=(L1.ref,)), again))
    assert value(record, "2024-06-01", "prior_srs_same_lesion", L1.ref) is True


def test_weeks_to_the_first_readable_scan_and_to_the_next_ordered_one() -> None:
    def scan(ref: str, status: Any, on: str) -> Scan:
        return Scan(ref=ref, modality="MR", region="brain", status=status, on=D(on))

    record = PatientRecord(
        patient_id="p",
        courses=(course(),),
        scans=(
            scan("ImagingStudy/early", "done", "2024-03-20"),
            scan("ImagingStudy/first", "done", "2024-05-09"),
            scan("Appointment/next", "booked", "2024-08-01"),
        ),
    )
    assert value(record, "2024-04-01", "followup_mri_weeks_since_srs", "Procedure/c") is None
    assert value(record, "2024-05-10", "followup_mri_weeks_since_srs", "Procedure/c") == 10.0
    assert value(record, "2024-05-10", "planned_mri_interval_weeks", "Procedure/c") == 12.0


def test_days_from_the_resection_of_the_treated_lesion_to_radiosurgery() -> None:
    record = PatientRecord(
        patient_id="p",
        subjects=(L1, L2),
        courses=(course(start=D("2024-02-29"), target_lesions=(L1.ref,)),),
        operations=(
            Operation(
                ref="Procedure/o1",
                kind="resection_brain_lesion",
                status="done",
                on=D("2024-02-08"),
                lesions=(L1.ref,),
            ),
            Operation(
                ref="Procedure/o2",
                kind="resection_brain_lesion",
                status="done",
                on=D("2024-02-20"),
                lesions=(L2.ref,),
            ),
        ),
    )
    assert value(record, "2024-03-01", "days_from_surgery_to_srs", "Procedure/c") == 21


def test_the_plan_carries_what_the_course_says() -> None:
    planned = course(
        "ServiceRequest/r", kind="fsrs", status="planned", end=None, fractions_planned=5, total_dose_gy=30.0,
        dose_per_fraction_gy=6.0,
    )  # fmt: skip
    record = PatientRecord(patient_id="p", courses=(planned,))
    assert value(record, "2024-01-01", "modality", "ServiceRequest/r") == "fsrs"
    assert value(record, "2024-01-01", "fractions", "ServiceRequest/r") == 5
    assert value(record, "2024-01-01", "total_dose_gy", "ServiceRequest/r") == 30.0


def test_a_kind_to_be_confirmed_is_not_taken_for_the_modality() -> None:
    record = PatientRecord(
        patient_id="p",
        courses=(course("ServiceRequest/r", kind="fsrs", certainty="ask", status="planned", end=None),),
    )
    assert value(record, "2024-01-01", "modality", "ServiceRequest/r") is None


@pytest.mark.parametrize(
    ("start", "before", "after"),
    [("2024-02-27", None, 3), ("2024-03-01", 0, 0), ("2024-03-20", 19, None)],
)
def test_an_order_is_seen_before_or_after_the_resection_that_is_planned(
    start: str, before: int | None, after: int | None
) -> None:
    operation = Operation(
        ref="ServiceRequest/op",
        kind="resection_brain_lesion",
        status="planned",
        on=D("2024-03-01"),
        lesions=(L1.ref,),
    )
    order = course(
        "ServiceRequest/o",
        status="planned",
        start=D(start),
        end=None,
        fractions_planned=1,
        target_lesions=(L1.ref,),
    )
    record = PatientRecord(patient_id="p", subjects=(L1,), courses=(order,), operations=(operation,))
    assert value(record, "2024-02-20", "days_from_surgery_to_srs", order.ref) == before
    assert value(record, "2024-02-20", "days_from_srs_to_surgery", order.ref) == after
    links = {s.ref: s.links for s in derive.as_of(record, D("2024-02-20")).subjects if s.scope == "course"}
    assert links == {order.ref: (L1.ref,)}


def test_a_resection_long_after_completed_radiosurgery_is_no_neoadjuvant_sequence() -> None:
    operation = Operation(
        ref="Procedure/op",
        kind="resection_brain_lesion",
        status="done",
        on=D("2025-02-01"),
        lesions=(L1.ref,),
    )
    record = PatientRecord(
        patient_id="p", subjects=(L1,), courses=(course(target_lesions=(L1.ref,)),), operations=(operation,)
    )
    assert value(record, "2025-03-01", "days_from_srs_to_surgery", "Procedure/c") is None
