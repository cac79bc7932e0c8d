"""The record of a patient follows every write, in the same transaction, and is told once when it differs."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from ehr_ingestion.handlers import fold_guidance
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.storage.database import Database
from isodose.storage.records import Records
from isodose.storage.tables import outbox
from isodose.work import work_at

Json = dict[str, Any]
Bundle = Callable[..., Json]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "gender": "female"}


def _fact(name: str, value: int, id: str, on: str = "2026-11-01", patient: str = "p1") -> Json:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "https://isodose.example/fhir/CodeSystem/fact", "code": name}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": on,
        "valueInteger": value,
    }


def _record(database: Database, patient_id: str = "p1") -> PatientRecord | None:
    with database.read() as conn:
        return Records(conn).get(patient_id)


def _told(database: Database) -> list[PatientRecord]:
    with database.read() as conn:
        rows = conn.execute(select(outbox).order_by(outbox.c.seq)).all()
    events = [contract.decode(row.value) for row in rows]
    return [msgspec.json.decode(bytes(event.data), type=PatientRecord) for event in events]


def test_a_bundle_makes_one_record_and_one_event(client: Any, database: Database, bundle: Bundle) -> None:
    answer = client.post("/fhir", json=bundle(PATIENT, _fact("kps", 80, "k"), _fact("ecog", 1, "e")))
    assert answer.status_code == 200
    told = _told(database)
    assert [(record.patient_id, record.version) for record in told] == [("p1", 1)]
    assert {(fact.name, fact.value) for fact in told[0].facts} == {("kps", 80), ("ecog", 1)}
    assert _record(database) == told[0]


def test_a_message_that_says_nothing_new_makes_no_version_and_no_event(
    client: Any, database: Database, bundle: Bundle
) -> None:
    message = bundle(PATIENT, _fact("kps", 80, "k"))
    for _ in range(3):
        assert client.post("/fhir", json=message).status_code == 200
    assert client.put("/fhir/Patient/p1", json=PATIENT | {"active": True}).status_code == 200
    assert len(_told(database)) == 1


def test_each_change_and_each_deletion_makes_the_next_version(
    client: Any, database: Database, bundle: Bundle
) -> None:
    client.post("/fhir", json=bundle(PATIENT, _fact("kps", 80, "k")))
    client.put("/fhir/Observation/k", json=_fact("kps", 60, "k"))
    assert client.request("DELETE", "/fhir/Observation/k").status_code == 204
    assert [record.version for record in _told(database)] == [1, 2, 3]
    assert [[fact.value for fact in record.facts] for record in _told(database)] == [[80], [60], []]


def test_a_resource_given_to_another_patient_leaves_the_first(
    client: Any, database: Database, bundle: Bundle
) -> None:
    client.post("/fhir", json=bundle(PATIENT, PATIENT | {"id": "p2"}, _fact("kps", 80, "k")))
    client.put("/fhir/Observation/k", json=_fact("kps", 80, "k", patient="p2"))
    first, second = _record(database, "p1"), _record(database, "p2")
    assert first is not None
    assert second is not None
    assert [fact.value for fact in first.facts] == []
    assert [fact.value for fact in second.facts] == [80]


def test_a_drug_that_an_order_names_by_reference_is_in_the_record_and_followed(
    client: Any, database: Database, bundle: Bundle
) -> None:
    def drug(code: str) -> Json:
        coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}
        return {"resourceType": "Medication", "id": "m", "code": {"coding": [coding]}}

    order = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/m"},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-10-20",
    }
    client.post("/fhir", json=bundle(PATIENT, drug("3264"), order))
    client.put("/fhir/Medication/m", json=drug("1547545"))
    concepts = [[exposure.concept for exposure in record.exposures] for record in _told(database)]
    assert concepts == [["dexamethasone"], ["pembrolizumab"]]
    client.request("DELETE", "/fhir/Medication/m")
    assert _told(database)[-1].exposures == ()


def test_a_refused_bundle_leaves_neither_resources_nor_a_record(
    client: Any, database: Database, bundle: Bundle
) -> None:
    answer = client.post("/fhir", json=bundle(PATIENT, _fact("kps", 80, "k") | {"status": "nearly"}))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].resource.status"]
    assert client.get("/fhir/Patient/p1").status_code == 404
    assert _record(database) is None
    assert _told(database) == []


def test_a_record_holds_no_name_address_or_identifier(
    client: Any, database: Database, bundle: Bundle
) -> None:
    named = PATIENT | {
        "name": [{"family": "Hazelnut", "given": ["Berta"]}],
        "address": [{"city": "Quinceville"}],
        "identifier": [{"system": "urn:mrn", "value": "MRN-4711"}],
    }
    client.post("/fhir", json=bundle(named, _fact("kps", 80, "k")))
    with database.read() as conn:
        value = bytes(conn.execute(select(outbox.c.value)).scalar_one())
    for word in (b"Hazelnut", b"Berta", b"Quinceville", b"4711"):
        assert word not in value


def test_what_was_received_is_kept_as_received(client: Any) -> None:
    client.put("/fhir/Patient/p1", json=PATIENT)
    text = (
        b'{"resourceType":"Observation","id":"v","status":"final","code":{"text":"volume"},'
        b'"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.50,"unit":"mL"}}'
    )
    headers = {"content-type": "application/fhir+json"}
    assert client.request("PUT", "/fhir/Observation/v", content=text, headers=headers).status_code == 201
    assert b'"value":1.50' in client.get("/fhir/Observation/v").content
    assert b'"value":1.50' in client.get("/fhir/Patient/p1/$everything").content


def _event(version: int, on: str, status: str, service: str = "ici_steroid_alerts") -> contract.Event:
    issue = {
        "resourceType": "DetectedIssue",
        "id": "0b4d6b1e-6a53-5a39-8d0b-9f4c0a1b2c3d",
        "identifier": [{"system": "https://isodose.example/fhir/NamingSystem/result", "value": "alert/p1"}],
        "status": status,
        "patient": {"reference": "Patient/p1"},
    }
    data = {
        "patientId": "p1",
        "service": service,
        "recordVersion": version,
        "knowledgeVersion": "k",
        "on": on,
        "findings": [],
        "options": [],
        "resources": [issue],
    }
    return contract.guidance("isodose.alerts.checked", service, data, "p1")


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ((1, "2026-11-24", "cancelled"), "final"),
        ((2, "2026-11-22", "cancelled"), "final"),
        ((2, "2026-11-23", "final"), "final"),
        ((2, "2026-11-24", "cancelled"), "cancelled"),
        ((3, "2026-11-20", "cancelled"), "cancelled"),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_an_older_decision_never_replaces_a_newer_one(
    database: Database, late: tuple[int, str, str], expected: str, together: bool
) -> None:
    events = [_event(version, on, status) for version, on, status in ((2, "2026-11-23", "final"), late)]
    with database.begin() as conn:
        Records(conn).put(PatientRecord(patient_id="p1", version=3))
    for taken in [events] if together else [[event] for event in events]:
        with database.begin() as conn:
            fold_guidance(work_at("http://127.0.0.1/fhir")(conn), taken)
    with database.read() as conn:
        results = work_at("http://127.0.0.1/fhir")(conn).resources.results_of("p1")
    assert [result.resource()["status"] for result in results] == [expected]


def test_a_decision_on_a_patient_who_was_erased_meanwhile_is_not_taken_up(database: Database) -> None:
    with database.begin() as conn:
        work = work_at("http://127.0.0.1/fhir")(conn)
        fold_guidance(work, [_event(2, "2026-11-23", "final")])
        assert work.resources.results_of("p1") == []
        assert work.guidance.get("ici_steroid_alerts", "p1") is None
