"""fhirclient (PyPI, by the SMART team) reads, searches and writes; its strict models judge what we answer."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from fhirclient import client
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient


@pytest.fixture
def smart(address: str) -> Any:
    return client.FHIRClient(settings={"app_id": "isodose-tests", "api_base": f"{address}/fhir"})


def test_the_capability_statement_is_read_by_its_models(smart: Any) -> None:
    assert smart.prepare()
    statement = CapabilityStatement.read_from("metadata", smart.server)
    assert statement.fhirVersion == "4.0.1"


def test_reads_and_searches(smart: Any) -> None:
    patient = Patient.read("demo-11", smart.server)
    assert patient.id == "demo-11"
    search = Observation.where({"patient": "demo-11", "_count": "5", "_sort": "-date"})
    found = list(search.perform_resources_iter(smart.server))
    assert len(found) > 5, "it follows the next links"
    assert len({one.id for one in found}) == len(found)


def test_creates_updates_and_deletes(smart: Any) -> None:
    patient = Patient({"name": [{"family": "Fhirclient", "given": ["Grace"]}]})
    made = patient.create(smart.server)
    patient.id = made["id"]
    patient.gender = "female"
    assert patient.update(smart.server)["gender"] == "female"
    kept = Patient.read(made["id"], smart.server)
    kept.delete()
    with pytest.raises(requests.HTTPError, match="410"):
        Patient.read(made["id"], smart.server)


def test_everything_that_was_concluded_is_read_by_strict_models(smart: Any) -> None:
    raw = smart.server.request_json("Patient/demo-11/$everything")
    # A trial whose status is not known says so in `_status`, which these models do not know.
    raw["entry"] = [entry for entry in raw["entry"] if entry["resource"]["resourceType"] != "ResearchStudy"]
    bundle = Bundle(raw)
    kinds = {entry.resource.resource_type for entry in bundle.entry}
    assert kinds >= {"Patient", "Observation", "Procedure"}
