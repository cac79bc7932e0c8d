"""Any order and any repetition of the same resources makes the same record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isodose.clinical.record import encode
from isodose.mcode import build_record

FACT = "https://isodose.example/fhir/CodeSystem/fact"


def _observation(identity: str, name: str, value: dict[str, Any], focus: str = "") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": FACT, "code": name}]},
        **value,
        **({"focus": [{"reference": focus}]} if focus else {}),
    }


MORE = [
    _observation("o1", "kps", {"valueInteger": 80}),
    _observation("o2", "mass_effect", {"valueBoolean": True}),
    _observation("o3", "mass_effect", {"valueBoolean": True}, "BodyStructure/new"),
    _observation("o4", "fractions", {"valueInteger": 5}),
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": {"text": "Keytruda"},
    },
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": {"text": "Opdivo"},
    },
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_repetition_makes_the_same_record(
    data: st.DataObject, brain_metastases_example: Callable[[], list[dict[str, Any]]]
) -> None:
    resources = [*brain_metastases_example(), *MORE]
    expected = encode(build_record("Patient-XRTS-05-22B", resources))
    mixed = data.draw(st.permutations(resources))
    twice = data.draw(st.lists(st.sampled_from(resources), max_size=5))
    assert encode(build_record("Patient-XRTS-05-22B", [*mixed, *twice])) == expected


def test_resources_of_another_patient_are_not_read() -> None:
    other = {**_observation("o1", "kps", {"valueInteger": 80}), "subject": {"reference": "Patient/other"}}
    record = build_record("p", [other])
    assert record.facts == ()
    assert [p.code for p in record.problems] == ["other-patient"]


def test_own_results_are_not_read_back() -> None:
    identifier = [{"system": "https://isodose.example/fhir/NamingSystem/result", "value": "x"}]
    record = build_record(
        "p", [{**_observation("o1", "kps", {"valueInteger": 80}), "identifier": identifier}]
    )
    assert record == build_record("p", [])


def test_of_two_versions_of_one_resource_the_later_counts() -> None:
    old = {**_observation("o1", "kps", {"valueInteger": 80}), "meta": {"versionId": "9"}}
    new = {**_observation("o1", "kps", {"valueInteger": 60}), "meta": {"versionId": "10"}}
    for order in ([old, new], [new, old]):
        assert [f.value for f in build_record("p", order).facts] == [60]
