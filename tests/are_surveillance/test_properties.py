"""What holds of every plan: order, company and the passing of days never change what was laid out."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from are_surveillance import knowledge
from are_surveillance.decision import decide, plan_of
from are_surveillance.outputs import resources
from are_surveillance.schedule import Plan
from are_surveillance.turning_days import next_change
from isodose.clinical.finding import encode
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord, Scan, Subject

KNOWN = knowledge.load()
BASE = "https://isodose.example/fhir"
START = dt.date(2024, 1, 1)
days = st.integers(0, 1100).map(lambda n: START + dt.timedelta(days=n))
perhaps = st.one_of(st.none(), days)


@st.composite
def courses(draw: Any, index: int) -> Course:
    end = draw(perhaps)
    length = draw(st.integers(0, 10))
    return Course(
        ref=f"Procedure/c{index}",
        kind=draw(st.sampled_from(["single_srs", "fsrs", "focal", "wbrt", "unknown"])),
        certainty=draw(st.sampled_from(["sure", "likely", "ask"])),
        status=draw(
            st.sampled_from(["completed", "completed", "stopped", "in-progress", "planned", "unknown"])
        ),
        start=end - dt.timedelta(days=length) if end else draw(perhaps),
        end=end,
    )


@st.composite
def scans(draw: Any, index: int) -> Scan:
    return Scan(
        ref=f"ImagingStudy/s{index}",
        modality=draw(st.sampled_from(["MR", "MR", "MR", "CT"])),
        region=draw(st.sampled_from(["brain", "brain", "brain", "unknown"])),
        status=draw(st.sampled_from(["done", "done", "done", "booked", "ordered"])),
        on=draw(perhaps),
    )


OF_LESION: dict[str, list[Any]] = {
    "new_or_growing_enhancement": [True, True, False],
    "are_symptomatic": [True, False, False],
    "tric_present": [True, False],
    "are_status": ["suspected", "excluded", "imaging_defined"],
    "pathology_result": ["not_done", "necrosis", "viable_tumour"],
    "lesion_volume_ml": [2.0, 8.0],
}
OF_PATIENT: dict[str, list[Any]] = {
    "clinical_deterioration": [True, False, False],
    "surveillance_pause": ["none", "hospice", "declined", "ended"],
    "mri_contraindicated": [True, False, False],
    "steroid_refractory": [True, False],
    "site_cutoff_validated": [True, False],
}
OF_SCAN: dict[str, list[Any]] = {"perfusion_rcbv_high": [True, False], "mri_diffusion_adc_low": [True]}


@st.composite
def stated(draw: Any, vocabulary: dict[str, list[Any]], most: int) -> tuple[Fact, ...]:
    """Facts with a day each, some stated again later."""
    names = draw(st.lists(st.sampled_from(sorted(vocabulary)), max_size=most))
    return tuple(
        Fact(
            name=n, value=draw(st.sampled_from(vocabulary[n])), on=draw(perhaps), source=f"Observation/{n}{i}"
        )
        for i, n in enumerate(names)
    )


@st.composite
def drugs(draw: Any) -> Exposure:
    start = draw(days)
    concept, role = draw(
        st.sampled_from(
            [("pembrolizumab", "ici_pd1"), ("bevacizumab", "anti_vegf"), ("dexamethasone", "steroid")]
        )
    )
    return Exposure(
        ref=f"MedicationRequest/{concept}",
        concept=concept,
        drug_class=role,
        status="completed",
        start=start,
        end=start + dt.timedelta(days=draw(st.integers(0, 200))),
    )


@st.composite
def operations(draw: Any) -> Operation:
    return Operation(
        ref="Procedure/o",
        kind="resection_brain_lesion",
        status=draw(st.sampled_from(["done", "planned"])),
        on=draw(perhaps),
        lesions=("BodyStructure/l1",),
    )


@st.composite
def records(draw: Any) -> PatientRecord:
    lesion = Subject(ref="BodyStructure/l1", scope="lesion", facts=draw(stated(OF_LESION, 5)))
    study = Subject(ref="ImagingStudy/s0", scope="imaging", facts=draw(stated(OF_SCAN, 2)))
    histology = Fact(name="histology", value=draw(st.sampled_from(["melanoma", "nsclc"])))
    return PatientRecord(
        patient_id="p",
        facts=(histology, *draw(stated(OF_PATIENT, 3))),
        subjects=(lesion, study),
        courses=tuple(draw(courses(i)) for i in range(draw(st.integers(1, 3)))),
        scans=tuple(draw(scans(i)) for i in range(draw(st.integers(0, 6)))),
        exposures=tuple(draw(drugs()) for _ in range(draw(st.integers(0, 2)))),
        operations=tuple(draw(operations()) for _ in range(draw(st.integers(0, 1)))),
    )


def planned(record: PatientRecord, on: dt.date) -> Plan:
    return plan_of(record, decide(record, KNOWN, on), KNOWN, on)


def concluded(record: PatientRecord, on: dt.date) -> list[dict[str, Any]]:
    return resources(record, decide(record, KNOWN, on), KNOWN, on, BASE)


@settings(max_examples=60, deadline=None)
@given(records(), days, st.randoms(use_true_random=False))
def test_the_order_of_the_facts_changes_nothing(record: PatientRecord, on: dt.date, random: Any) -> None:
    shuffled: dict[str, Any] = {}
    for part in ("facts", "courses", "scans", "exposures", "operations", "subjects"):
        shuffled[part] = list(getattr(record, part))
        random.shuffle(shuffled[part])
    other = replace(record, **{part: tuple(found) for part, found in shuffled.items()})
    assert encode(decide(other, KNOWN, on)) == encode(decide(record, KNOWN, on))
    assert concluded(other, on) == concluded(record, on)


@settings(max_examples=60, deadline=None)
@given(records(), days)
def test_windows_follow_each_other_without_overlap(record: PatientRecord, on: dt.date) -> None:
    plan = planned(record, on)
    following = [place.slot.window for place in plan.places if place.state != "completed"]
    for earlier, later in itertools.pairwise(following):
        assert earlier.latest < later.earliest
    numbers = [p.slot.number for p in plan.places if p.slot.anchor == plan.anchor]
    assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=60, deadline=None)
@given(records(), days)
def test_nobody_treated_on_a_known_day_is_without_a_window_ahead(record: PatientRecord, on: dt.date) -> None:
    plan = planned(record, on)
    treated = plan.anchors.given or plan.anchors.undated or plan.anchors.ahead
    assert (plan.status == "none") is (not treated)
    if plan.anchors.given:
        assert plan.active is not None
        assert any(place.open and place.slot.window.latest >= on for place in plan.places)
    if plan.anchors.undated:
        assert any(question.code == "course-date" for question in plan.questions)


@settings(max_examples=40, deadline=None)
@given(records(), days, st.integers(1, 400))
def test_what_was_done_is_never_due_again(record: PatientRecord, on: dt.date, later: int) -> None:
    before = {p.slot.key: p.slot.scan for p in planned(record, on).places if p.state == "completed"}
    after = {p.slot.key: p for p in planned(record, on + dt.timedelta(days=later)).places}
    for key, scan in before.items():
        assert after[key].state == "completed"
        assert after[key].slot.scan == scan


@settings(max_examples=40, deadline=None)
@given(records(), st.integers(0, 500))
def test_days_passing_move_no_window(record: PatientRecord, later: int) -> None:
    settled = START + dt.timedelta(days=1101)
    first, second = planned(record, settled), planned(record, settled + dt.timedelta(days=later))
    before = {p.slot.key: p.slot.window for p in first.places}
    after = {p.slot.key: p.slot.window for p in second.places}
    assert before.keys() <= after.keys()
    assert {key: after[key] for key in before} == before


@settings(max_examples=12, deadline=None)
@given(records(), days)
def test_only_a_turning_day_changes_the_conclusion(record: PatientRecord, on: dt.date) -> None:
    shown, findings = concluded(record, on), decide(record, KNOWN, on)
    turning = next_change(KNOWN, record, findings, on)
    said = [(f.code, f.applies_to, f.verdict, f.value, f.summary) for f in findings]
    for passed in range(1, 120):
        day = on + dt.timedelta(days=passed)
        if turning is not None and day >= turning:
            break
        assert concluded(record, day) == shown
        assert [
            (f.code, f.applies_to, f.verdict, f.value, f.summary) for f in decide(record, KNOWN, day)
        ] == said


@settings(max_examples=10, deadline=None)
@given(records(), days)
def test_replaying_turning_days_ends_where_jumping_does(record: PatientRecord, on: dt.date) -> None:
    goal, day = on + dt.timedelta(days=400), on
    shown = concluded(record, day)
    while True:
        following = next_change(KNOWN, record, decide(record, KNOWN, day), day)
        if following is None or following > goal:
            break
        assert following > day
        day = following
        shown = concluded(record, day)
    assert shown == concluded(record, goal)


@settings(max_examples=40, deadline=None)
@given(records(), days)
def test_no_proposal_is_made_for_a_time_that_is_over(record: PatientRecord, on: dt.date) -> None:
    """Within its week of slack a scan is still proposed; after that, until the next window opens."""
    for order in concluded(record, on):
        if order["resourceType"] == "ServiceRequest" and order["status"] == "draft":
            end = dt.date.fromisoformat(order["occurrencePeriod"]["end"])
            assert on - end <= dt.timedelta(days=7)


@settings(max_examples=40, deadline=None)
@given(records(), days, st.sampled_from(["melanoma", "nsclc"]))
def test_what_becomes_known_today_rewrites_no_window_that_was_closed(
    record: PatientRecord, on: dt.date, histology: str
) -> None:
    before = replace(record, facts=tuple(f for f in record.facts if f.name != "histology"))
    known = Fact(name="histology", value=histology, on=on)
    after = replace(before, facts=(*before.facts, known))
    closed = [
        {
            p.slot.key: p.slot.window
            for p in planned(one, on).places
            if p.state == "completed" and p.slot.scan and p.slot.scan.on != on
        }
        for one in (before, after)
    ]
    assert closed[0] == closed[1]
