"""What kind of course it is, from codes, words, site, extent, fractions and dose, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from isodose.clinical.record import Course, PatientRecord
from isodose.mcode import build_record

MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition"
CODEX = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition"
SNOMED = "http://snomed.info/sct"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "urn:oid:2.16.840.1.113883.6.285"
PCS = "http://www.cms.gov/Medicare/Coding/ICD10"


def concept(system: str, code: str, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **more}]}


BRAIN = concept(SNOMED, "12738006")
LUNG = concept(SNOMED, "39607008")
COURSE = concept(SNOMED, "1217123003")


def volume(
    identity: str = "v1", location: Any = BRAIN, qualifier: str = "255609007", kind: str = "228793007"
) -> Any:
    return {
        "resourceType": "BodyStructure",
        "id": identity,
        "morphology": concept(SNOMED, kind),
        "location": location,
        "locationQualifier": [concept(SNOMED, qualifier)] if qualifier else [],
        "patient": {"reference": "Patient/p"},
    }


def dose(gray: float | None, fractions: int | None, target: str = "v1", unit: str = "cGy") -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"url": "volume", "valueReference": {"reference": f"BodyStructure/{target}"}}
    ]
    if gray is not None:
        value = gray * 100 if unit == "cGy" else gray
        parts.append({"url": "totalDoseDelivered", "valueQuantity": {"value": value, "code": unit}})
    if fractions is not None:
        parts.append({"url": "fractionsDelivered", "valueUnsignedInt": fractions})
    return {"url": f"{MCODE}/mcode-radiotherapy-dose-delivered-to-volume", "extension": parts}


def course(*extensions: Any, identity: str = "c1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": identity,
        "status": "completed",
        "code": COURSE,
        "subject": {"reference": "Patient/p"},
        "performedPeriod": {"start": "2026-01-05", "end": "2026-01-09"},
        "extension": list(extensions),
        **more,
    }


def only(record: PatientRecord) -> Course:
    (found,) = record.courses
    return found


def read(*resources: Any) -> Course:
    return only(build_record("p", resources))


def codes(record: PatientRecord) -> set[str]:
    return {problem.code for problem in record.problems}


@pytest.mark.parametrize(
    ("gray", "fractions", "qualifier", "kind", "certainty"),
    [
        (20, 1, "255609007", "single_srs", "likely"),
        (27, 3, "255609007", "fsrs", "likely"),
        (30, 5, "255609007", "fsrs", "likely"),
        (35, 5, "255609007", "fsrs", "likely"),
        (25, 5, "255609007", "fsrs", "ask"),
        (20, 5, "255609007", "focal", "likely"),
        (60, 30, "255609007", "focal", "likely"),
        (8, 1, "255609007", "focal", "ask"),
        (30, 10, "255503000", "wbrt", "sure"),
        (20, 5, "255503000", "wbrt", "sure"),
        (8, 1, "255503000", "wbrt", "ask"),
        (30, 10, "", "wbrt", "ask"),
    ],
)
def test_the_numbers_and_the_extent_decide(
    gray: float, fractions: int, qualifier: str, kind: str, certainty: str
) -> None:
    found = read(volume(qualifier=qualifier), course(dose(gray, fractions)))
    assert (found.kind, found.certainty) == (kind, certainty)
    assert found.reasons
    assert (found.total_dose_gy, found.fractions_delivered) == (gray, fractions)
    assert found.dose_per_fraction_gy == pytest.approx(gray / fractions, abs=1e-3)


@pytest.mark.parametrize(
    ("code", "fractions", "kind", "certainty"),
    [
        (concept(CPT, "77371"), None, "single_srs", "sure"),
        (concept(CPT, "77372"), 1, "single_srs", "sure"),
        (concept(CPT, "77372"), 5, "fsrs", "ask"),
        (concept(CPT, "61796"), 1, "single_srs", "sure"),
        (concept(CPT, "61798"), 3, "fsrs", "sure"),
        (concept(SNOMED, "429584001"), 1, "single_srs", "sure"),
        (concept(SNOMED, "447912004"), None, "fsrs", "sure"),
        (concept(SNOMED, "64134004"), None, "single_srs", "likely"),
        (concept(SNOMED, "115959002"), 10, "focal", "ask"),
        (concept(HCPCS, "G0339"), None, "single_srs", "ask"),
        (concept(HCPCS, "G0340"), 5, "fsrs", "sure"),
        (concept(PCS, "D020JZZ"), 1, "single_srs", "sure"),
        (concept(CPT, "77373"), 5, "fsrs", "sure"),
        (concept(CPT, "77435"), None, "fsrs", "likely"),
    ],
)
def test_a_procedure_code_decides_with_the_fractions(
    code: Any, fractions: int | None, kind: str, certainty: str
) -> None:
    given = course(*([dose(24, fractions)] if fractions else []), code=code, bodySite=[BRAIN])
    found = read(volume(), given)
    assert (found.kind, found.certainty) == (kind, certainty)


def test_body_radiotherapy_to_the_lung_is_never_radiosurgery_of_the_brain() -> None:
    found = read(volume(location=LUNG), course(dose(50, 5), code=concept(CPT, "77373"), bodySite=[LUNG]))
    assert (found.kind, found.certainty) == ("extracranial", "sure")


def test_the_body_code_without_a_site_asks() -> None:
    found = read(course(code=concept(CPT, "77373")))
    assert (found.kind, found.certainty) == ("unknown", "ask")


def test_a_course_outside_the_brain_has_no_subject_and_no_plan_facts() -> None:
    plan = {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "active",
        "intent": "order",
        "code": COURSE,
        "bodySite": [LUNG],
        "subject": {"reference": "Patient/p"},
    }
    record = build_record("p", [plan, volume(location=LUNG), course(dose(50, 5), bodySite=[LUNG])])
    assert record.subjects == ()
    assert {c.kind for c in record.courses} == {"extracranial"}


@pytest.mark.parametrize("code", ["473237008", "230912001", "230914000", "230911008", "230913006"])
def test_radiosurgery_of_another_disease_is_never_that_of_a_metastasis(code: str) -> None:
    found = read(volume(), course(dose(20, 1), code=concept(SNOMED, code), bodySite=[BRAIN]))
    assert found.kind == "focal"


def test_radiosurgery_named_for_trigeminal_neuralgia_does_not_count() -> None:
    found = read(course(code={"text": "Gamma Knife radiosurgery, trigeminal nerve, brain"}))
    assert found.kind == "focal"


@pytest.mark.parametrize(
    ("text", "fractions", "kind"),
    [
        ("Gamma Knife radiosurgery", 1, "single_srs"),
        ("Fractionated stereotactic radiotherapy, brain", 3, "fsrs"),
        ("Whole-brain radiotherapy", 10, "wbrt"),
        ("Hippocampal-avoidance whole brain radiotherapy", 10, "ha_wbrt"),
    ],
)
def test_words_decide_where_no_code_does(text: str, fractions: int, kind: str) -> None:
    given = course(dose(30, fractions), code={"text": text}, bodySite=[BRAIN])
    found = read(volume(qualifier=""), given)
    assert (found.kind, found.certainty) == (kind, "likely")


def test_stereotactic_written_as_unencoded_technique_is_read() -> None:
    technique = {
        "url": f"{MCODE}/mcode-radiotherapy-modality-and-technique",
        "extension": [
            {
                "url": f"{MCODE}/mcode-radiotherapy-technique",
                "valueCodeableConcept": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNC"}
                    ],
                    "text": "Stereotactic",
                },
            }
        ],
    }
    found = read(volume(), course(technique, dose(25, 5)))
    assert (found.kind, found.certainty) == ("fsrs", "likely")


def test_a_text_beside_a_standard_code_does_not_make_it_radiotherapy() -> None:
    code = concept(SNOMED, "396487001", display="Sentinel lymph node biopsy (procedure)")
    code["text"] = "Teleradiotherapy procedure"
    assert build_record("p", [course(code=code, bodySite=[BRAIN])]).courses == ()


def test_doses_in_gray_are_read_and_doses_in_other_units_are_not() -> None:
    assert read(volume(), course(dose(24, 3, unit="Gy"))).total_dose_gy == 24
    record = build_record("p", [volume(), course(dose(24, 3, unit="mg"))])
    assert only(record).total_dose_gy is None
    assert "unit-does-not-fit" in codes(record)


def test_centigray_written_as_gray_is_not_believed() -> None:
    record = build_record("p", [volume(), course(dose(2400, 3, unit="Gy"))])
    assert only(record).total_dose_gy is None
    assert "dose-not-plausible" in codes(record)


def test_doses_may_be_on_phases_only() -> None:
    phases = [
        {
            **course(dose(gray, None), identity=f"ph{n}"),
            "code": concept(SNOMED, "1222565005"),
            "partOf": [{"reference": "Procedure/c1"}],
            "extension": [
                dose(gray, None),
                {"url": f"{CODEX}/codexrt-radiotherapy-fractions-delivered", "valueUnsignedInt": n},
            ],
        }
        for n, gray in ((2, 18), (1, 9))
    ]
    found = read(volume(), course(), *phases)
    assert (found.total_dose_gy, found.fractions_delivered, found.kind) == (27, 3, "fsrs")


def test_point_doses_and_organs_at_risk_do_not_count_as_targets() -> None:
    point = dose(90, 1, target="v2")
    point["extension"].append({"url": f"{CODEX}/codexrt-radiotherapy-point-dose", "valueBoolean": True})
    record = build_record(
        "p", [volume(), volume("v3", kind="1162586008"), course(dose(20, 1), point, dose(5, 1, "v3"))]
    )
    found = only(record)
    assert found.total_dose_gy == 20
    assert found.target_lesions == ("BodyStructure/v1",)


def test_the_whole_brain_is_no_lesion() -> None:
    record = build_record("p", [volume(qualifier="255503000"), course(dose(30, 10))])
    assert only(record).target_lesions == ()
    assert [s.scope for s in record.subjects] == ["course"]


def test_not_done_and_entered_in_error_are_no_courses() -> None:
    for status in ("not-done", "entered-in-error"):
        assert build_record("p", [volume(), course(dose(20, 1), status=status)]).courses == ()


def test_a_shared_visit_number_does_not_make_two_courses_one() -> None:
    visit = [{"system": "urn:visit", "value": "77"}]
    later = course(dose(20, 1), identity="c2", identifier=visit, performedPeriod={"start": "2026-05-01"})
    record = build_record("p", [volume(), course(dose(20, 1), identifier=visit), later])
    assert len(record.courses) == 2


def plan(**more: Any) -> dict[str, Any]:
    planned = {
        "url": f"{CODEX}/codexrt-radiotherapy-dose-prescribed-to-volume",
        "extension": [
            {"url": "volume", "valueReference": {"reference": "BodyStructure/v1"}},
            {"url": "fractionDose", "valueQuantity": {"value": 900, "code": "cGy"}},
            {"url": "fractions", "valuePositiveInt": 3},
        ],
    }
    return {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "draft",
        "intent": "order",
        "code": COURSE,
        "subject": {"reference": "Patient/p"},
        "extension": [planned],
        **more,
    }


def test_a_draft_plan_is_a_planned_course_with_facts_on_the_request() -> None:
    record = build_record("p", [volume(), plan()])
    found = only(record)
    assert (found.status, found.draft, found.kind, found.ref) == (
        "planned",
        True,
        "fsrs",
        "ServiceRequest/s1",
    )
    (subject,) = record.of_scope("plan")
    values = {f.name: f.value for f in subject.facts}
    assert values == {"dose_per_fraction_gy": 9, "fractions": 3, "total_dose_gy": 27, "modality": "fsrs"}
    assert subject.links == ("BodyStructure/v1",)


def test_a_plan_that_must_not_be_done_or_was_revoked_is_no_course() -> None:
    assert build_record("p", [volume(), plan(status="revoked")]).courses == ()
    assert build_record("p", [volume(), plan(doNotPerform=True)]).courses == ()


def test_two_drafts_without_an_id_are_two_courses() -> None:
    one, other = plan(), plan(note=[{"text": "second"}])
    del one["id"], other["id"]
    assert len(build_record("p", [volume(), one, other]).courses) == 2


def test_a_partial_date_is_said() -> None:
    found = read(volume(), course(dose(20, 1), performedPeriod={"start": "2026-01", "end": "2026-02"}))
    assert (str(found.start), str(found.end)) == ("2026-01-01", "2026-02-28")
    assert any("month" in reason for reason in found.reasons)


def order(text: str, *extensions: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "code": {"text": text},
        "extension": list(extensions),
    }


@pytest.mark.parametrize(
    ("words", "total", "fractions"),
    [
        ("27 Gy in 3 fractions", 27.0, 3),
        ("27.5Gy/5 fx", 27.5, 5),
        ("20 Gy in 1 fraction", 20.0, 1),
        ("30 Gy in 5", None, None),
        ("20 Gy in 1 fraction or 27 Gy in 3 fractions", None, None),
        ("fractions to be decided", None, None),
    ],
)
def test_a_dose_that_only_the_words_of_an_order_tell_is_read_as_likely(
    words: str, total: float | None, fractions: int | None
) -> None:
    record = build_record("p", [order(f"Stereotactic radiosurgery of brain, {words}")])
    assert (only(record).total_dose_gy, only(record).fractions_planned) == (total, fractions)
    (plan,) = record.of_scope("plan")
    told = {f.name: (f.stated, f.certainty) for f in plan.facts if f.name in ("total_dose_gy", "fractions")}
    assert told == (dict.fromkeys(("total_dose_gy", "fractions"), (False, "likely")) if total else {})


def test_a_dose_in_words_gives_way_to_a_coded_one() -> None:
    coded = {**dose(30, 5), "url": f"{CODEX}/codexrt-radiotherapy-dose-prescribed-to-volume"}
    record = build_record("p", [volume(), order("SRS of brain 27 Gy in 3 fractions", coded)])
    assert (only(record).total_dose_gy, only(record).fractions_planned) == (30.0, 5)


def test_each_lesion_keeps_the_dose_that_a_course_gives_it() -> None:
    volumes = [volume(identity) for identity in ("v1", "v2")]
    record = build_record("p", [*volumes, course(dose(20, 1, "v1"), dose(15, 1, "v2"))])
    told = [(d.lesion, d.total_gy, d.fractions) for d in only(record).target_doses]
    assert told == [("BodyStructure/v1", 20.0, 1), ("BodyStructure/v2", 15.0, 1)]
