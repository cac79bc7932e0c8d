"""A stated fact that cannot be read is refused with the path, and nothing of its request is stored."""

from collections.abc import Callable
from typing import Any

import pytest

from isodose.storage.database import Database
from isodose.storage.records import Records

Json = dict[str, Any]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "gender": "female"}
UCUM = "http://unitsofmeasure.org"


def _fact(name: str, value: Json, system: str = "https://isodose.example/fhir/CodeSystem/fact") -> Json:
    return {
        "resourceType": "Observation",
        "id": "f1",
        "status": "final",
        "code": {"coding": [{"system": system, "code": name}]},
        "subject": {"reference": "Patient/p1"},
        **value,
    }


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        (
            "citv_ml",
            {"valueQuantity": {"value": 4, "unit": "kg", "system": UCUM, "code": "kg"}},
            "Observation.valueQuantity.code",
        ),
        ("kps", {"valueString": "eighty"}, "Observation.valueString"),
        ("histology", {"valueString": "glioma"}, "Observation.valueString"),
        ("no_such_fact", {"valueBoolean": True}, "Observation.code"),
    ],
)
def test_what_states_no_fact_is_refused_and_nothing_is_stored(
    client: Any, database: Database, bundle: Callable[..., Json], name: str, value: Json, where: str
) -> None:
    answer = client.post("/fhir", json=bundle(PATIENT, _fact(name, value)))
    assert answer.status_code == 422
    under = where.replace("Observation", "Bundle.entry[1].resource")
    assert [path for issue in answer.json()["issue"] for path in issue["expression"]] == [under]
    assert client.get("/fhir/Patient/p1").status_code == 404
    with database.read() as conn:
        assert Records(conn).get("p1") is None


def test_in_a_batch_what_states_no_fact_is_refused_alone(
    client: Any, database: Database, bundle: Callable[..., Json]
) -> None:
    unfit, fit = _fact("kps", {"valueString": "eighty"}), _fact("ecog", {"valueInteger": 2}) | {"id": "f2"}
    entries = client.post("/fhir", json=bundle(PATIENT, unfit, fit, type="batch")).json()["entry"]
    assert [one["response"]["status"] for one in entries] == ["201", "422", "201"]
    (issue,) = entries[1]["response"]["outcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[1].resource.valueString"]
    assert client.get("/fhir/Observation/f1").status_code == 404
    assert client.get("/fhir/Observation/f1/_history").status_code == 404
    with database.read() as conn:
        record = Records(conn).get("p1")
    assert record is not None
    assert [fact.name for fact in record.facts if fact.name in ("kps", "ecog")] == ["ecog"]


def test_in_a_transaction_every_unfit_fact_is_named(client: Any, bundle: Callable[..., Json]) -> None:
    odd = _fact("kps", {"valueString": "eighty"})
    answer = client.post("/fhir", json=bundle(PATIENT, odd, odd | {"id": "f2"}))
    assert [issue["expression"] for issue in answer.json()["issue"]] == [
        [f"Bundle.entry[{index}].resource.valueString"] for index in (1, 2)
    ]


def test_a_standard_code_is_kept_whatever_its_unit(client: Any, bundle: Callable[..., Json]) -> None:
    odd = {"valueQuantity": {"value": 4, "unit": "kg", "system": UCUM, "code": "kg"}}
    answer = client.post("/fhir", json=bundle(PATIENT, _fact("89243-0", odd, "http://loinc.org")))
    assert answer.status_code == 200
