"""Real examples: the CodeX brain-metastases patient in full, and every sample without an exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from isodose.clinical.record import PatientRecord, encode
from isodose.mcode import build_record, resources_of

Example = Callable[[], list[dict[str, Any]]]
PATIENT = "Patient-XRTS-05-22B"
FIRST = "Procedure/RadiotherapyCourseSummary-XRTS-05-22B-01-BrainMets-1P-1V"
SECOND = "Procedure/RadiotherapyCourseSummary-XRTS-05-22B-02-BrainMets-1P-1V"


def said(record: PatientRecord, ref: str) -> set[str]:
    return {problem.code for problem in record.problems if problem.source == ref}


def test_the_example_patient_is_read(brain_metastases_example: Example) -> None:
    record = build_record(PATIENT, brain_metastases_example())
    assert (record.birth_year, record.sex, record.deceased) == (1960, "female", False)
    assert [course.ref for course in sorted(record.courses, key=lambda c: c.ref)] == [FIRST, SECOND]


def test_the_first_course_may_be_fractionated_radiosurgery_and_asks(
    brain_metastases_example: Example,
) -> None:
    record = build_record(PATIENT, brain_metastases_example())
    first = next(c for c in record.courses if c.ref == FIRST)
    assert (first.kind, first.certainty, first.status) == ("fsrs", "ask", "completed")
    assert (first.total_dose_gy, first.dose_per_fraction_gy) == (25, 5)
    assert (first.fractions_planned, first.fractions_delivered) == (5, 5)
    assert (str(first.start), str(first.end)) == ("2020-09-07", "2020-09-14")
    assert first.planned_by.startswith("ServiceRequest/RadiotherapyPlannedCourse-XRTS-05-22B-01")
    assert first.target_lesions == ("BodyStructure/RadiotherapyVolume-XRTS-05-22B-01-BrainMets",)
    assert any("5 x 5 Gy" in reason for reason in first.reasons)
    assert any("stereotactic" in reason for reason in first.reasons)


def test_what_is_odd_about_the_example_is_said(brain_metastases_example: Example) -> None:
    record = build_record(PATIENT, brain_metastases_example())
    odd = {"sessions-differ-from-fractions", "reason-primary-brain-tumour", "intent-curative"}
    assert said(record, FIRST) == odd
    assert said(record, SECOND) == odd - {"sessions-differ-from-fractions"}
    assert said(record, f"{FIRST}-1Fx") == {"same-course-told-twice"}


def test_one_fraction_in_is_the_same_course_and_after_completion_does_not_count(
    brain_metastases_example: Example,
) -> None:
    resources = brain_metastases_example()
    early = [r for r in resources if r["id"].endswith("-1Fx") or r["resourceType"] != "Procedure"]
    record = build_record(PATIENT, early)
    running = next(c for c in record.courses if c.ref == f"{FIRST}-1Fx")
    assert (running.status, running.fractions_delivered, running.fractions_planned) == ("in-progress", 1, 5)
    assert (running.kind, running.end) == ("fsrs", None)


def test_the_second_course_is_focal_reirradiation(brain_metastases_example: Example) -> None:
    record = build_record(PATIENT, brain_metastases_example())
    second = next(c for c in record.courses if c.ref == SECOND)
    assert (second.kind, second.total_dose_gy, second.fractions_delivered) == ("focal", 20, 5)
    lesion = next(s for s in record.of_scope("lesion") if s.ref == second.target_lesions[0])
    assert [(f.name, f.value) for f in lesion.facts] == [("prior_cranial_rt_to_site", True)]


def test_courses_link_to_their_plan_and_lesions(brain_metastases_example: Example) -> None:
    record = build_record(PATIENT, brain_metastases_example())
    course = next(s for s in record.of_scope("course") if s.ref == FIRST)
    assert [link.partition("/")[0] for link in course.links] == ["BodyStructure", "ServiceRequest"]
    plan = next(s for s in record.of_scope("plan") if "-01-" in s.ref)
    values = {f.name: f.value for f in plan.facts}
    assert values == {"fractions": 5, "total_dose_gy": 25, "dose_per_fraction_gy": 5, "modality": "fsrs"}


def test_the_record_does_not_carry_name_or_address(brain_metastases_example: Example) -> None:
    text = encode(build_record(PATIENT, brain_metastases_example())).decode()
    assert not any(word in text for word in ("Daughter", "Joan", "Meadow", "74047", "555-555-5555"))


def _resources(shared: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    for path in sorted(shared.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("resourceType") == "Bundle":
            yield path, resources_of(content)
        elif isinstance(content, dict) and content.get("resourceType"):
            yield path, [content]


def test_every_sample_is_read_without_an_exception(shared: Path) -> None:
    read = 0
    for _path, resources in _resources(shared):
        patient = next((r.get("id", "") for r in resources if r["resourceType"] == "Patient"), "")
        assert encode(build_record(patient, resources))
        read += len(resources)
    assert read > 1000


def test_disease_status_is_read_under_both_of_its_codes(shared: Path) -> None:
    seen = {
        coding.get("code")
        for _path, resources in _resources(shared)
        for resource in resources
        if resource["resourceType"] == "Observation"
        for coding in resource.get("code", {}).get("coding", [])
    }
    assert {"97509-4", "88040-1"} <= seen
