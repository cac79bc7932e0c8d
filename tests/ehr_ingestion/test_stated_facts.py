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
    assert [path for issue in answer.json()["issue"] for path in issue["expression"]] == [where]
    assert client.get("/fhir/Patient/p1").status_code == 404
    with database.read() as conn:
        assert Records(conn).get("p1") is None


def test_a_standard_code_is_kept_whatever_its_unit(client: Any, bundle: Callable[..., Json]) -> None:
    odd = {"valueQuantity": {"value": 4, "unit": "kg", "system": UCUM, "code": "kg"}}
    answer = client.post("/fhir", json=bundle(PATIENT, _fact("89243-0", odd, "http://loinc.org")))
    assert answer.status_code == 200
