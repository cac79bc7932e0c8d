"""Every fact can be stated as an Observation, and nothing that does not fit becomes a value."""

from __future__ import annotations

from typing import Any

import pytest

from isodose.clinical.facts import FactDefinition, vocabulary
from isodose.clinical.record import Fact, PatientRecord
from isodose.mcode import build_record

BASE = "https://isodose.example/fhir"
FOCUS = {
    "lesion": "BodyStructure/l1",
    "plan": "ServiceRequest/p1",
    "course": "Procedure/c1",
    "imaging": "ImagingStudy/s1",
}


def observation(name: str, identity: str = "o1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/fact", "code": name}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-03-02T10:00:00+01:00",
        **more,
    }


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit}}


def coded(value: str) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": [{"system": f"{BASE}/CodeSystem/fact-value", "code": value}]}}


def a_value(definition: FactDefinition) -> tuple[dict[str, Any], Any]:
    match definition.type:
        case "boolean":
            return {"valueBoolean": True}, True
        case "integer":
            return {"valueInteger": 3}, 3
        case "number":
            return quantity(2.5, definition.unit), 2.5
        case "enum":
            return coded(definition.values[0]), definition.values[0]
        case "date":
            return {"valueDateTime": "2026-02-01"}, "2026-02-01"


def stated(record: PatientRecord) -> list[Fact]:
    return [*record.facts, *(fact for subject in record.subjects for fact in subject.facts)]


def problems(record: PatientRecord) -> list[str]:
    return [problem.code for problem in record.problems]


@pytest.mark.parametrize("name", list(vocabulary()))
def test_every_fact_can_be_stated_and_is_read_back(name: str) -> None:
    definition = vocabulary()[name]
    given, expected = a_value(definition)
    focus = {"focus": [{"reference": FOCUS[definition.scope]}]} if definition.scope in FOCUS else {}
    record = build_record("p", [observation(name, **given, **focus)])
    assert not record.problems
    (fact,) = stated(record)
    assert (fact.name, fact.value, fact.unit) == (name, expected, definition.unit)
    assert (str(fact.on), fact.source, fact.stated) == ("2026-03-02", "Observation/o1", True)
    if definition.scope in FOCUS:
        (subject,) = [s for s in record.subjects if s.facts]
        assert (subject.scope, subject.ref) == (definition.scope, FOCUS[definition.scope])


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("largest_diameter_cm", 25, "mm", 2.5),
        ("largest_diameter_cm", 2.5, "cm", 2.5),
        ("longest_diameter_mm", 1.23, "cm", 12.3),
        ("citv_ml", 4200, "mm3", 4.2),
        ("citv_ml", 4.2, "cm3", 4.2),
        ("total_dose_gy", 2700, "cGy", 27.0),
        ("steroid_dexamethasone_mg_per_day", 8, "mg/d", 8.0),
        ("life_expectancy_months", 1, "a", 12.0),
        ("days_from_srs_to_ici", 2, "wk", 14),
        ("days_from_srs_to_ici", -7, "d", -7),
        ("followup_mri_weeks_since_srs", 14, "d", 2.0),
        ("pdl1_tps_pct", 0.5, "1", 50.0),
        ("hemoglobin_g_dl", 120, "g/L", 12.0),
        ("lesion_count", 4, "{count}", 4),
        ("pet_suvmax", 3.1, "{SUV}", 3.1),
        ("egfr_ml_min_1_73", 61, "mL/min/{1.73_m2}", 61.0),
    ],
)
def test_units_are_converted(name: str, value: float, unit: str, expected: float) -> None:
    (fact,) = stated(build_record("p", [observation(name, **quantity(value, unit))]))
    assert fact.value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("largest_diameter_cm", quantity(3, "kg"), "unit-does-not-fit"),
        ("largest_diameter_cm", quantity(3, "mL"), "unit-does-not-fit"),
        ("largest_diameter_cm", {"valueQuantity": {"value": 3}}, "unit-does-not-fit"),
        ("largest_diameter_cm", {"valueInteger": 3}, "unit-does-not-fit"),
        ("total_dose_gy", quantity(20, "mg"), "unit-does-not-fit"),
        ("egfr_ml_min_1_73", quantity(61, "mL/min"), "unit-does-not-fit"),
        ("steroid_dexamethasone_mg_per_day", quantity(8, "mg"), "unit-does-not-fit"),
        ("largest_diameter_cm", {"valueString": "3 cm"}, "type-does-not-fit"),
        ("lmd_present", {"valueInteger": 1}, "type-does-not-fit"),
        ("lmd_present", {"valueString": "perhaps"}, "type-does-not-fit"),
        ("kps", {"valueString": "seventy"}, "type-does-not-fit"),
        ("kps", quantity(72.5, "1"), "not-a-whole-number"),
        ("kps", {"valueInteger": 700}, "value-out-of-range"),
        ("ecog", {"valueInteger": 6}, "value-out-of-range"),
        ("citv_ml", quantity(-1, "mL"), "value-out-of-range"),
        ("histology", coded("sarcoma"), "value-not-in-list"),
        ("histology", {"valueString": "sarcoma"}, "value-not-in-list"),
        (
            "histology",
            {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "nsclc"}]}},
            "value-not-in-list",
        ),
        ("trial_registry_check_date", {"valueDateTime": "2026-02"}, "date-not-exact"),
        (
            "citv_ml",
            {"valueQuantity": {"value": 15, "code": "mL", "comparator": "<"}},
            "not-exact",
        ),
        ("no_such_fact", {"valueBoolean": True}, "unknown-fact"),
    ],
)
def test_what_does_not_fit_is_a_problem_and_not_a_value(name: str, given: dict[str, Any], code: str) -> None:
    record = build_record("p", [observation(name, **given)])
    assert stated(record) == []
    assert problems(record) == [code]
    assert record.problems[0].source == "Observation/o1"
    assert record.problems[0].expression.startswith("Observation.")


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_what_was_withdrawn_is_never_read(status: str) -> None:
    record = build_record("p", [observation("kps", valueInteger=80, status=status)])
    assert (stated(record), record.problems) == ([], ())


@pytest.mark.parametrize("status", ["registered", "preliminary", "final", "amended", "corrected"])
def test_every_other_status_is_read(status: str) -> None:
    assert len(stated(build_record("p", [observation("kps", valueInteger=80, status=status)]))) == 1


def test_a_reason_for_a_missing_value_is_not_a_value() -> None:
    absent = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]
    }
    assert stated(build_record("p", [observation("kps", dataAbsentReason=absent)])) == []


def test_a_plain_string_may_name_a_value_of_the_list() -> None:
    (fact,) = stated(build_record("p", [observation("histology", valueString="melanoma")]))
    assert fact.value == "melanoma"


def test_a_site_may_use_its_own_base() -> None:
    code = {"coding": [{"system": "https://fhir.hospital.example/CodeSystem/fact", "code": "kps"}]}
    (fact,) = stated(build_record("p", [observation("kps", code=code, valueInteger=80)]))
    assert fact.value == 80


def lesion(identity: str) -> dict[str, Any]:
    brain = {"coding": [{"system": "http://snomed.info/sct", "code": "83251001"}]}
    return {
        "resourceType": "BodyStructure",
        "id": identity,
        "location": brain,
        "patient": {"reference": "Patient/p"},
    }


def test_a_fact_without_focus_belongs_to_the_only_lesion() -> None:
    record = build_record("p", [observation("mass_effect", valueBoolean=True), lesion("l1")])
    assert [(s.ref, [f.name for f in s.facts]) for s in record.subjects] == [
        ("BodyStructure/l1", ["mass_effect"])
    ]


def test_a_fact_without_focus_belongs_to_an_unnamed_lesion_where_there_is_none() -> None:
    record = build_record("p", [observation("mass_effect", valueBoolean=True)])
    assert [(s.ref, s.scope) for s in record.subjects] == [("", "lesion")]


def test_a_fact_without_focus_is_not_guessed_among_several_lesions() -> None:
    record = build_record("p", [observation("mass_effect", valueBoolean=True), lesion("l1"), lesion("l2")])
    assert stated(record) == []
    assert problems(record) == ["which-subject"]


def test_a_focus_of_the_wrong_type_is_said() -> None:
    focus = [{"reference": "Procedure/x"}]
    record = build_record("p", [observation("mass_effect", valueBoolean=True, focus=focus)])
    assert stated(record) == []
    assert problems(record) == ["focus-does-not-fit"]


def test_an_absolute_reference_with_version_is_the_same_lesion() -> None:
    focus = [{"reference": "https://ehr.example/fhir/BodyStructure/l1/_history/3"}]
    record = build_record("p", [lesion("l1"), observation("mass_effect", valueBoolean=True, focus=focus)])
    assert [s.ref for s in record.subjects] == ["BodyStructure/l1"]
