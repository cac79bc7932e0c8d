"""fhirpy (PyPI) finds nothing odd: create, save, search, page, include, conditions, operations."""

from __future__ import annotations

from typing import Any

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

MRN = "https://hospital.example/mrn"


@pytest.fixture
def fhir(address: str) -> Any:
    return SyncFHIRClient(f"{address}/fhir")


def test_creates_reads_changes_and_deletes(fhir: Any) -> None:
    patient = fhir.resource("Patient", name=[{"family": "Fhirpy", "given": ["Ada"]}])
    patient.save()
    assert patient["id"]
    patient["gender"] = "female"
    patient.save()
    again = fhir.reference("Patient", patient["id"]).to_resource()
    assert (again["gender"], again["meta"]["versionId"]) == ("female", "2")
    again.delete()
    with pytest.raises((ResourceNotFound, OperationOutcome)):
        fhir.reference("Patient", patient["id"]).to_resource()


def test_searches_with_modifiers_prefixes_chains_and_sorts(fhir: Any) -> None:
    observations = fhir.resources("Observation")
    of_patient = observations.search(patient="demo-11", date__ge="2020-01-01").sort("-date")
    assert of_patient.count() == len(of_patient.fetch_all()) > 3
    dates = [one.get("effectiveDateTime", "") for one in of_patient.limit(3).fetch()]
    assert dates == sorted(dates, reverse=True)
    by_chain = observations.search(subject__Patient___id="demo-11").count()
    assert by_chain == of_patient.count() or by_chain > 0
    assert fhir.resources("Patient").search(_id="demo-11").first()["id"] == "demo-11"
    assert fhir.resources("Patient").search(_id="nobody").first() is None


def test_pages_through_everything_once(fhir: Any) -> None:
    found = [one["id"] for one in fhir.resources("Observation").limit(2)]
    assert len(found) == len(set(found)) == fhir.resources("Observation").count()


def test_includes_what_is_pointed_to(fhir: Any) -> None:
    bundle = (
        fhir.resources("Observation").search(patient="demo-11").include("Observation", "subject").fetch_raw()
    )
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds >= {"Observation", "Patient"}


def test_one_identity_is_one_resource(fhir: Any) -> None:
    known = fhir.resource("Patient", identifier=[{"system": MRN, "value": "1"}], name=[{"family": "One"}])
    same = fhir.resources("Patient").search(identifier=f"{MRN}|1")
    first, made = same.get_or_create(known)
    second, made_again = same.get_or_create(known)
    assert (made, made_again) == (True, False)
    assert first["id"] == second["id"]
    changed = fhir.resource("Patient", identifier=[{"system": MRN, "value": "1"}], gender="male")
    updated, _ = same.update(changed)
    assert updated["id"] == first["id"]


def test_an_error_is_an_operation_outcome_with_its_place(fhir: Any) -> None:
    with pytest.raises(OperationOutcome) as told:
        fhir.resource("Patient", gender="none of these").save()
    assert told.value.resource["issue"][0]["expression"] == ["Patient.gender"]


def test_calls_operations(fhir: Any, address: str) -> None:
    bundle = fhir.execute("Patient/demo-11/$everything", method="get")
    assert bundle["resourceType"] == "Bundle"
    alerts = SyncFHIRClient(f"{address}/alerts/fhir")
    asked = {"resourceType": "Parameters", "parameter": [
        {"name": "record", "resource": {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": {"resourceType": "Patient", "id": "p"}}]}}]}  # fmt: skip
    assert alerts.execute("$assess", data=asked)["resourceType"] == "Parameters"
