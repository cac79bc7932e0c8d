"""The service as it runs: `$assess`, the knowledge and the cards over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import served
from eligibility_scoring import app
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database

Client = Any
TESTS = Path(__file__).parents[1]
PATIENTS = TESTS.parent / "samples" / "patients"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("eligibility")
    settings = Settings(database_url=f"sqlite:///{folder}/db", event_log_url=f"sqlite:///{folder}/events")
    database = Database(settings.database_url)
    database.migrate()
    database.dispose()
    with served.served(build_app(app.service(settings), settings)) as running:
        yield running


def bundle(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads((PATIENTS / name).read_bytes())
    return loaded


def test_assess_answers_with_findings_options_and_resources(client: Client) -> None:
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "record", "resource": bundle("05-oligometastatic-upfront-srs.json")},
            {"name": "on", "valueDate": "2026-11-23"},
        ],
    }
    answer = client.post("/fhir/$assess", json=asked, headers={"content-type": "application/fhir+json"})
    assert answer.status_code == 200, answer.text
    options = {}
    for parameter in answer.json()["parameter"]:
        if parameter["name"] == "option":
            parts = {part["name"]: part for part in parameter["part"]}
            options[parts["code"]["valueCode"]] = parts["standing"]["valueCode"]
    assert len(options) == 14
    assert options["srs"] == "standard"


def test_the_knowledge_is_served(client: Client) -> None:
    answer = client.get("/fhir/$knowledge")
    assert answer.status_code == 200, answer.text
    kinds = {entry["resource"]["resourceType"] for entry in answer.json()["entry"]}
    assert kinds == {"PlanDefinition", "Library", "ActivityDefinition"}


@pytest.mark.parametrize("kind", ["PlanDefinition", "Library", "ActivityDefinition"])
def test_a_definition_is_read_by_its_url_and_found_by_it(client: Client, kind: str) -> None:
    entries = client.get("/fhir/$knowledge").json()["entry"]
    resource = next(e["resource"] for e in entries if e["resource"]["resourceType"] == kind)
    read = client.get(f"/fhir/{kind}/{resource['url'].rpartition('/')[2]}")
    assert read.status_code == 200, read.text
    got = read.json()
    assert {name: got[name] for name in resource} == resource
    assert got["relatedArtifact" if kind != "PlanDefinition" else "action"]
    found = client.get(f"/fhir/{kind}", params={"url": resource["url"]}).json()
    assert found["total"] == 1


def test_both_card_services_are_discovered(client: Client) -> None:
    found = client.get("/cds-services").json()["services"]
    assert {(s["id"], s["hook"]) for s in found} == {
        ("srs-eligibility", "patient-view"),
        ("srs-order-review", "order-sign"),
    }


def test_a_card_is_answered_from_prefetch_alone(client: Client) -> None:
    resources = [e["resource"] for e in bundle("01-best-supportive-care.json")["entry"]]
    (patient,) = (r for r in resources if r["resourceType"] == "Patient")
    found = {"resourceType": "Bundle", "type": "searchset"}
    call = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": patient["id"]},
        "prefetch": {
            "patient": patient,
            "observations": {
                **found,
                "entry": [{"resource": r} for r in resources if r["resourceType"] == "Observation"],
            },
            "conditions": {
                **found,
                "entry": [{"resource": r} for r in resources if r["resourceType"] == "Condition"],
            },
            "lesions": {
                **found,
                "entry": [{"resource": r} for r in resources if r["resourceType"] == "BodyStructure"],
            },
            "procedures": None,
            "serviceRequests": None,
            "medicationRequests": None,
        },
    }
    answer = client.post("/cds-services/srs-eligibility", json=call)
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    assert card["summary"].startswith("Best supportive care")


def test_every_trial_is_a_study_that_is_read_and_searched(client: Client) -> None:
    found = client.get("/fhir/ResearchStudy?_count=200").json()
    assert len(found["entry"]) == 103
    (one,) = client.get("/fhir/ResearchStudy?identifier=http://clinicaltrials.gov|NCT02953717").json()[
        "entry"
    ]
    assert one["resource"]["title"] == "CAR-study B"
    assert client.get(f"/fhir/ResearchStudy/{one['resource']['id']}").status_code == 200


def test_assess_names_the_trials_that_may_fit(client: Client) -> None:
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "record", "resource": bundle("04-egfr-lung-systemic-first.json")},
            {"name": "on", "valueDate": "2026-11-23"},
        ],
    }
    answer = client.post("/fhir/$assess", json=asked, headers={"content-type": "application/fhir+json"})
    assert answer.status_code == 200, answer.text
    made = [p["resource"] for p in answer.json()["parameter"] if p["name"] == "resource"]
    numbers = [r["identifier"][0]["value"] for r in made if r["resourceType"] == "ResearchStudy"]
    assert "NCT03497767" in numbers
    assert "NCT02953717" not in numbers
    assert "NCT01592968" not in numbers


def test_trials_are_asked_for_a_stored_patient(client: Client) -> None:
    assert client.get("/fhir/$trials").status_code == 400
    assert client.get("/fhir/$trials?patient=p1&on=9999-12-31").status_code == 400
    assert client.get("/fhir/$trials?patient=nobody").status_code == 404
