"""`$assess`: what goes in, what comes out, and what is refused where."""

from typing import Any

import pytest

from isodose.assessment import Decider, assess
from isodose.fhir.errors import FhirError

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01"}
KPS = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-11-01",
    "valueInteger": 80,
}
Json = dict[str, Any]


def _bundle(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def _asked(*parameters: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(parameters)}


def _record(*resources: Json) -> Json:
    return {"name": "record", "resource": _bundle(*resources)}


def _nobody(_patient_id: str) -> None:
    return None


def _named(answer: Json, name: str) -> list[Json]:
    return [parameter for parameter in answer["parameter"] if parameter["name"] == name]


def test_a_bundle_is_assessed_on_the_day_that_is_asked_for(decider: Decider) -> None:
    answer = assess(
        decider, _asked(_record(PATIENT, KPS), {"name": "on", "valueDate": "2026-11-02"}), _nobody
    )
    assert _named(answer, "finding") == [
        {
            "name": "finding",
            "part": [
                {"name": "code", "valueCode": "FIT"},
                {"name": "verdict", "valueCode": "met"},
                {"name": "value", "valueInteger": 80},
                {"name": "strength", "valueCode": "conditional"},
                {"name": "summary", "valueString": "Fit enough"},
            ],
        }
    ]
    assert [r["resource"]["resourceType"] for r in _named(answer, "resource")] == ["Task", "Provenance"]
    assert answer["parameter"][-3:] == [
        {"name": "knowledge-version", "valueString": decider.knowledge.version},
        {"name": "record-version", "valueInteger": 0},
        {"name": "on", "valueDate": "2026-11-02"},
    ]


def test_what_is_missing_is_named(decider: Decider) -> None:
    answer = assess(decider, _asked(_record(PATIENT)), _nobody)
    assert {"name": "missing", "valueCode": "kps"} in _named(answer, "finding")[0]["part"]
    assert _named(answer, "on")[0]["valueDate"] == "2026-11-23"


def test_references_by_full_url_are_followed(decider: Decider) -> None:
    url = "urn:uuid:6a0b5f63-9d0a-4f7c-8a0e-0f6b1f1d5c11"
    patient = {name: value for name, value in PATIENT.items() if name != "id"}
    bundle = _bundle(patient, KPS | {"subject": {"reference": url}})
    bundle["entry"][0]["fullUrl"] = url
    bundle["entry"][1]["fullUrl"] = "urn:uuid:5d3c2b1a-9d0a-4f7c-8a0e-0f6b1f1d5c12"
    answer = assess(decider, _asked({"name": "record", "resource": bundle}), _nobody)
    assert {"name": "verdict", "valueCode": "met"} in _named(answer, "finding")[0]["part"]


def test_a_stored_patient_is_assessed_by_reference(decider: Decider, a_record: Any) -> None:
    subject = {"name": "subject", "valueReference": {"reference": "Patient/p1"}}
    answer = assess(decider, _asked(subject), {"p1": a_record(7, 80)}.get)
    assert _named(answer, "record-version") == [{"name": "record-version", "valueInteger": 7}]


SUBJECT = {"name": "subject", "valueReference": {"reference": "Patient/p9"}}


@pytest.mark.parametrize(
    ("asked", "status", "expression"),
    [
        ({"resourceType": "Bundle", "type": "batch"}, 400, "Parameters"),
        (_asked({"name": "on", "valueDate": "2026-11-02"}), 400, "Parameters.parameter"),
        (_asked({"name": "records", "valueString": "x"}), 400, "Parameters.parameter[0].name"),
        (_asked({"name": "record", "resource": PATIENT}), 400, "Parameters.parameter[0].resource"),
        (_asked(_record(KPS | {"subject": {"display": "x"}})), 400, "Parameters.parameter[0].resource.entry"),
        (_asked(_record(PATIENT, PATIENT | {"id": "p2"})), 400, "Parameters.parameter[0].resource.entry"),
        (
            _asked(_record(PATIENT), {"name": "on", "valueDate": "9999-12-31"}),
            400,
            "Parameters.parameter[1].valueDate",
        ),
        (
            _asked(_record(PATIENT), {"name": "on", "valueDate": "2026-11"}),
            400,
            "Parameters.parameter[1].valueDate",
        ),
        (_asked(_record(PATIENT), _record(PATIENT)), 400, "Parameters.parameter[1]"),
        (_asked(SUBJECT), 404, "Parameters.parameter[0].valueReference"),
        (
            _asked({"name": "subject", "valueReference": {"reference": "Group/1"}}),
            400,
            "Parameters.parameter[0].valueReference",
        ),
        (
            _asked(_record(PATIENT | {"gender": "F"})),
            422,
            "Parameters.parameter[0].resource.entry[0].resource.gender",
        ),
    ],
)
def test_what_cannot_be_assessed_is_refused_by_its_place(
    decider: Decider, asked: Json, status: int, expression: str
) -> None:
    with pytest.raises(FhirError) as refused:
        assess(decider, asked, _nobody)
    assert refused.value.status == status
    assert expression in [path for issue in refused.value.issues for path in issue.expression]
