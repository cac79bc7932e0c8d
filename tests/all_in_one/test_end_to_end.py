"""From a bundle posted to /fhir to options, plan, alerts, cards and pages, all in one process."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

Json = dict[str, Any]
KARNOFSKY = "89243-0"
PUBLIC = ("/eligibility", "/surveillance", "/alerts")


def _types(client: Any, url: str) -> set[str]:
    return {entry["resource"]["resourceType"] for entry in client.get(url).json().get("entry", [])}


def _load(client: Any, files: list[Path]) -> None:
    for file in files:
        answer = client.post("/fhir", json=orjson.loads(file.read_bytes()))
        assert answer.status_code == 200, answer.text


def test_what_is_posted_comes_out_as_options_plan_and_alerts(
    platform: Any, patients: list[Path], serving: ModuleType
) -> None:
    _load(platform, [next(file for file in patients if file.name.startswith("12-"))])
    everything = "/fhir/Patient/demo-12/$everything?_count=500"
    concluded = {"RequestGroup", "GuidanceResponse", "CarePlan", "DetectedIssue", "Provenance"}
    serving.eventually(lambda: concluded <= _types(platform, everything))
    assert {"Patient", "Observation", "Procedure", "BodyStructure"} <= _types(platform, everything)
    assert platform.get("/eligibility/fhir/RequestGroup?patient=demo-12").json()["total"] == 1
    assert platform.get("/surveillance/fhir/CarePlan?patient=demo-12").json()["total"] >= 1
    assert platform.get("/alerts/fhir/DetectedIssue?patient=demo-12").json()["total"] >= 1


def test_results_are_the_same_where_they_were_made_and_where_they_are_gathered(
    platform: Any, patients: list[Path], serving: ModuleType
) -> None:
    _load(platform, patients[:3])
    kinds = (("/eligibility", "RequestGroup"), ("/surveillance", "CarePlan"), ("/alerts", "DetectedIssue"))

    def all_here() -> bool:
        made = [platform.get(f"{prefix}/fhir/{kind}?_count=0").json()["total"] for prefix, kind in kinds]
        gathered = [platform.get(f"/fhir/{kind}?_count=0").json()["total"] for _, kind in kinds]
        return made == gathered and made[0] >= 3

    serving.eventually(all_here)


def test_a_fhir_server_can_run_every_prefetch_template(platform: Any) -> None:
    for service in platform.get("/cds-services").json()["services"]:
        for key, template in service["prefetch"].items():
            query = template.replace("{{context.patientId}}", "demo-12")
            answer = platform.get(f"/fhir/{query}", headers={"Prefer": "handling=strict"})
            assert answer.status_code == 200, (service["id"], key, answer.text)


def test_a_corrected_fact_corrects_the_answers(
    platform: Any, patients: list[Path], serving: ModuleType
) -> None:
    _load(platform, [next(file for file in patients if file.name.startswith("05-"))])
    group = "/eligibility/fhir/RequestGroup?patient=demo-05"
    before = serving.eventually(lambda: platform.get(group).json().get("entry"))
    kps = _observed(platform, "demo-05", KARNOFSKY)
    changed = platform.put(f"/fhir/Observation/{kps['id']}", json=kps | {"valueInteger": 20})
    assert changed.status_code == 200
    serving.eventually(lambda: platform.get(group).json()["entry"][0]["resource"] != before[0]["resource"])
    assert platform.get(group).json()["total"] == 1


def _observed(client: Any, patient: str, name: str) -> Json:
    found = client.get(f"/fhir/Observation?patient={patient}&_count=200").json()["entry"]
    for entry in found:
        resource: Json = entry["resource"]
        if "valueInteger" in resource and name in [coding["code"] for coding in resource["code"]["coding"]]:
            return {key: value for key, value in resource.items() if key != "meta"}
    pytest.fail(f"{patient} has no {name}")


def test_discovery_lists_every_cds_service_once(platform: Any) -> None:
    listed = [service["id"] for service in platform.get("/cds-services").json()["services"]]
    assert sorted(listed) == [
        "are-surveillance",
        "are-surveillance-booking",
        "ici-steroid-select",
        "ici-steroid-sign",
        "srs-eligibility",
        "srs-order-review",
    ]


@pytest.mark.parametrize("prefix", PUBLIC)
def test_each_service_assesses_under_its_public_path(
    platform: Any, patients: list[Path], prefix: str
) -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "record", "resource": orjson.loads(patients[0].read_bytes())},
            {"name": "on", "valueDate": "2026-11-23"},
        ],
    }
    before = platform.get("/fhir/Patient?_count=0").json()["total"]
    answer = platform.post(f"{prefix}/fhir/$assess", json=parameters)
    assert answer.status_code == 200, answer.text
    names = [parameter["name"] for parameter in answer.json()["parameter"]]
    assert names[-3:] == ["knowledge-version", "record-version", "on"]
    assert "finding" in names
    assert ("option" in names) == (prefix == "/eligibility")
    assert platform.get("/fhir/Patient?_count=0").json()["total"] == before


def test_a_call_goes_to_the_owner_of_its_cds_service(platform: Any) -> None:
    for name in ("ici-steroid-sign", "are-surveillance", "srs-eligibility"):
        answer = platform.post(f"/cds-services/{name}", json={"hook": "none"})
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
    assert platform.post("/cds-services/nobody", json={}).status_code == 404


def test_the_worklist_shows_each_patient_and_escapes_names(
    platform: Any, patients: list[Path], serving: ModuleType
) -> None:
    _load(platform, patients[:2])
    named = {"resourceType": "Patient", "id": "x", "name": [{"text": "<script>alert(1)</script>"}]}
    assert platform.put("/fhir/Patient/x", json=named).status_code == 201
    decided = "/fhir/GuidanceResponse?patient=x"
    serving.eventually(lambda: platform.get(decided).json().get("entry"))
    page = serving.eventually(lambda: (p := platform.get("/worklist")).status_code == 200 and p.text)
    assert "worklist/Patient/demo-01" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    hostile = platform.get("/worklist/Patient/x").text
    assert "<script>" not in hostile
    assert "&lt;script&gt;" in hostile
    one = platform.get("/worklist/Patient/demo-01")
    assert one.status_code == 200
    assert "Options" in one.text
    assert platform.get("/worklist/Patient/nobody").status_code == 404


def test_the_whole_says_how_it_is(platform: Any) -> None:
    assert platform.get("/healthz").status_code == 200
    ready = platform.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    metrics = platform.get("/metrics").text
    for name in ("ehr_ingestion", "eligibility_scoring", "are_surveillance", "ici_steroid_alerts"):
        assert f'isodose_outbox_unpublished{{service="{name}"}}' in metrics
    assert "/worklist" in platform.get("/").text


def test_metrics_name_routes_and_no_patients(platform: Any, patients: list[Path]) -> None:
    _load(platform, patients[:1])
    platform.get("/fhir/Patient/demo-01")
    metrics = platform.get("/metrics").text
    assert 'route="/fhir/{type}/{id}"' in metrics
    assert "demo-01" not in metrics
