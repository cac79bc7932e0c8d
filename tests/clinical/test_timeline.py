"""Periods, windows and calendar arithmetic, with every date that may be missing."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isodose.clinical.record import Course, Exposure, PatientRecord, Scan
from isodose.clinical.timeline import (
    Period,
    Window,
    course_period,
    exposure_period,
    merged,
    moments,
    months_after,
    months_between,
    nearest_after,
    nearest_before,
    possible_days,
    weeks_after,
    weeks_between,
)

D = dt.date.fromisoformat
days = st.dates(dt.date(2019, 1, 1), dt.date(2031, 12, 31))
ends = st.one_of(st.none(), days)


@pytest.mark.parametrize(
    ("period", "day", "covered"),
    [
        (Period(D("2026-01-10"), D("2026-01-20")), "2026-01-09", False),
        (Period(D("2026-01-10"), D("2026-01-20")), "2026-01-10", True),
        (Period(D("2026-01-10"), D("2026-01-20")), "2026-01-20", True),
        (Period(D("2026-01-10"), D("2026-01-20")), "2026-01-21", False),
        (Period(D("2026-01-10"), None, ongoing=True), "2030-01-01", True),
        (Period(D("2026-01-10"), None), "2030-01-01", None),
        (Period(D("2026-01-10"), None), "2026-01-10", True),
        (Period(None, D("2026-01-20")), "2026-01-15", None),
        (Period(None, D("2026-01-20")), "2026-01-20", True),
        (Period(None, D("2026-01-20")), "2026-01-21", False),
        (Period(None, None), "2026-01-21", None),
    ],
)
def test_a_period_covers_a_day_or_cannot_tell(period: Period, day: str, covered: bool | None) -> None:
    assert period.covers(D(day)) is covered


@pytest.mark.parametrize(
    ("one", "other", "shared", "distance"),
    [
        (("2026-01-01", "2026-01-10"), ("2026-01-10", "2026-01-12"), True, 0),
        (("2026-01-01", "2026-01-10"), ("2026-01-11", "2026-01-12"), False, 1),
        (("2026-02-01", "2026-02-10"), ("2026-01-01", "2026-01-12"), False, -20),
        (("2026-01-01", None), ("2026-02-01", "2026-02-02"), None, None),
        ((None, "2026-01-10"), ("2026-02-01", None), False, 22),
        ((None, None), (None, None), None, None),
    ],
)
def test_two_periods_overlap_or_lie_apart_by_signed_days(
    one: tuple[str | None, str | None],
    other: tuple[str | None, str | None],
    shared: bool | None,
    distance: int | None,
) -> None:
    first, second = (Period(*(D(day) if day else None for day in ends)) for ends in (one, other))
    assert first.overlaps(second) is shared
    assert first.days_until(second) == distance


def test_two_ongoing_periods_overlap() -> None:
    assert Period(D("2026-01-01"), None, True).overlaps(Period(D("2027-01-01"), None, True)) is True


@given(ends, ends, ends, ends)
def test_overlap_does_not_depend_on_the_order(
    a: dt.date | None, b: dt.date | None, c: dt.date | None, d: dt.date | None
) -> None:
    one, other = Period(a, b), Period(c, d)
    assert one.overlaps(other) is other.overlaps(one)


def test_a_window_needs_its_days_in_order() -> None:
    with pytest.raises(ValueError, match="earliest"):
        Window(D("2026-02-01"), D("2026-01-01"), D("2026-03-01"))


def test_a_window_holds_both_of_its_ends() -> None:
    window = Window(D("2026-01-01"), D("2026-01-15"), D("2026-01-31"))
    assert [window.holds(D(day)) for day in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-03-31", -1, "2026-02-28"),
    ],
)
def test_months_after_keeps_the_day_or_takes_the_last_of_the_month(
    day: str, months: int, expected: str
) -> None:
    assert months_after(D(day), months) == D(expected)


@pytest.mark.parametrize(
    ("earlier", "later", "months"),
    [
        ("2024-02-29", "2025-02-28", 12.0),
        ("2024-02-29", "2025-02-27", 11.96),
        ("2024-01-10", "2026-01-09", 23.96),
        ("2024-01-10", "2026-01-10", 24.0),
        ("2026-01-01", "2026-01-01", 0.0),
        ("2026-03-01", "2026-01-01", -2.0),
    ],
)
def test_months_between_counts_calendar_months(earlier: str, later: str, months: float) -> None:
    assert months_between(D(earlier), D(later)) == pytest.approx(months)


@given(days, st.integers(0, 120))
def test_an_anniversary_is_reached_on_its_day_and_not_before(day: dt.date, months: int) -> None:
    anniversary = months_after(day, months)
    assert months_between(day, anniversary) >= months
    if months:
        assert months_between(day, anniversary - dt.timedelta(days=1)) < months


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-03", "2026-03-01", "2026-03-31"),
        ("2028-02", "2028-02-01", "2028-02-29"),
        ("2026-03-05", "2026-03-05", "2026-03-05"),
        ("2026-03-05T23:30:00-10:00", "2026-03-05", "2026-03-05"),
    ],
)
def test_a_partial_date_stands_for_all_its_days(text: str, first: str, last: str) -> None:
    assert possible_days(text) == Period(D(first), D(last))


@pytest.mark.parametrize("text", ["", "soon", "2026-13", "2026-02-30", "20260305", "0000"])
def test_what_is_not_a_date_stands_for_no_day(text: str) -> None:
    assert possible_days(text) is None


def test_a_single_session_ends_on_the_day_it_began() -> None:
    course = Course(
        ref="Procedure/c", kind="single_srs", certainty="sure", status="completed", end=D("2026-01-05")
    )
    assert course_period(course) == Period(D("2026-01-05"), D("2026-01-05"))


def test_an_active_drug_goes_on_and_a_stopped_one_without_end_is_open() -> None:
    active = Exposure(
        ref="MedicationRequest/a",
        concept="pembrolizumab",
        drug_class="ici_pd1",
        status="active",
        start=D("2026-01-05"),
    )
    stopped = Exposure(
        ref="MedicationRequest/b",
        concept="pembrolizumab",
        drug_class="ici_pd1",
        status="stopped",
        start=D("2026-01-05"),
    )
    assert exposure_period(active).covers(D("2026-06-01")) is True
    assert exposure_period(stopped).covers(D("2026-06-01")) is None


def test_single_administrations_bound_an_exposure() -> None:
    given_twice = Exposure(
        ref="MedicationAdministration/a",
        concept="pembrolizumab",
        drug_class="ici_pd1",
        status="completed",
        given_on=(D("2026-02-01"), D("2026-01-11")),
    )
    assert exposure_period(given_twice) == Period(D("2026-01-11"), D("2026-02-01"))


def test_touching_periods_become_one() -> None:
    assert merged(
        [
            Period(D("2026-02-01"), D("2026-02-10")),
            Period(D("2026-01-01"), D("2026-01-31")),
            Period(D("2026-03-01"), None, ongoing=True),
            Period(D("2026-04-01"), D("2026-04-02")),
        ]
    ) == [Period(D("2026-01-01"), D("2026-02-10")), Period(D("2026-03-01"), None, ongoing=True)]


def test_weeks_and_nearest_days() -> None:
    assert weeks_after(D("2024-02-26"), 1) == D("2024-03-04")
    assert weeks_between(D("2026-01-01"), D("2026-04-01")) == pytest.approx(12.86)
    choice = [D("2026-01-01"), D("2026-03-01")]
    assert nearest_before(choice, D("2026-02-01")) == D("2026-01-01")
    assert nearest_after(choice, D("2026-02-01")) == D("2026-03-01")
    assert nearest_before(choice, D("2025-02-01")) is None


def test_all_dated_events_stand_on_one_axis() -> None:
    record = PatientRecord(
        patient_id="p",
        courses=(
            Course(
                ref="Procedure/c",
                kind="fsrs",
                certainty="sure",
                status="completed",
                start=D("2026-01-05"),
                end=D("2026-01-09"),
            ),
        ),
        scans=(
            Scan(ref="ImagingStudy/s", modality="MR", region="brain", status="done", on=D("2025-12-20")),
            Scan(ref="ImagingStudy/undated", modality="MR", region="brain", status="done"),
        ),
    )
    assert [(m.on.isoformat(), m.event) for m in moments(record)] == [
        ("2025-12-20", "scan"),
        ("2026-01-05", "course-began"),
        ("2026-01-09", "course-ended"),
    ]
