"""Who may subscribe to what: a token of a patient to that patient alone, seeing no other Subscription."""

from __future__ import annotations

from typing import Any

import pytest

from subscriber import plain

WHOSE = {"of-p1": "p1", "of-p2": "p2", "of-all": None}


def asked(id: str, criteria: str = "DetectedIssue?severity=high") -> dict[str, Any]:
    return plain(criteria, id=id)


@pytest.fixture(scope="module")
def subscribed(service: Any, authority: Any) -> Any:
    for id, patient in WHOSE.items():
        scope = "system/Subscription.cruds" if patient is None else "patient/Subscription.cruds"
        headers = authority.header(scope, **({"patient": patient} if patient else {}))
        answer = service.put(f"/fhir/Subscription/{id}", json=asked(id), headers=headers)
        assert answer.status_code == 201, answer.text
    return service


RECORD = ["p1", "p1-condition", "p1-lab", "p1-lesion", "p1-survey"]
READS = [
    ("patient/*.cruds", "Subscription", 200, ["of-p1"]),
    ("patient/Subscription.s", "Subscription?type=rest-hook", 200, ["of-p1"]),
    ("patient/*.rs", "Subscription/of-p1", 200, None),
    ("patient/*.rs", "Subscription/of-p2", 404, None),
    ("patient/*.rs", "Subscription/of-all", 404, None),
    ("patient/*.rs", "Subscription/of-p1/_history", 200, ["of-p1"]),
    ("patient/*.rs", "Subscription/of-p1/_history/1", 200, None),
    ("patient/*.rs", "Subscription/of-p2/_history", 404, None),
    ("patient/*.rs", "Subscription/of-p2/_history/1", 404, None),
    ("patient/*.rs", "Subscription/_history", 200, ["of-p1"]),
    ("patient/*.rs", "Subscription/of-p1/$status", 200, None),
    ("patient/*.rs", "Subscription/of-p2/$status", 404, None),
    ("patient/*.rs", "Subscription/of-p2/$events", 404, None),
    ("patient/*.rs", "Subscription/of-all/$events", 404, None),
    ("patient/Observation.rs", "Subscription", 403, None),
    ("patient/Subscription.cu", "Subscription/of-p1", 403, None),
    ("system/Subscription.rs", "Subscription", 200, ["of-all", "of-p1", "of-p2"]),
    ("system/Subscription.rs", "Subscription/of-p2", 200, None),
    ("system/*.rs", "Patient/p1/$everything", 200, RECORD),
]
WRITES = [
    ("patient/*.cruds", "PUT", "of-p1", 200),
    ("patient/Subscription.c", "POST", "new", 201),
    ("patient/Subscription.write", "PUT", "own", 201),
    ("patient/*.cruds", "PUT", "of-p2", 403),
    ("patient/*.cruds", "PUT", "of-all", 403),
    ("patient/*.cruds", "DELETE", "of-p2", 404),
    ("patient/*.cruds", "DELETE", "of-all", 404),
    ("patient/*.cruds", "PATCH", "of-p2", 404),
    ("patient/*.cruds", "PATCH", "of-p1", 200),
    ("patient/*.rs", "PUT", "of-p1", 403),
    ("patient/Subscription.rs", "POST", "new", 403),
    ("patient/Observation.cruds", "POST", "new", 403),
    ("patient/*.cruds", "DELETE", "own", 204),
    ("system/Subscription.cruds", "PATCH", "of-p2", 200),
]


@pytest.mark.parametrize(("scope", "request_", "status", "ids"), READS)
def test_reads(
    scope: str, request_: str, status: int, ids: list[str] | None, subscribed: Any, authority: Any
) -> None:
    answer = subscribed.get(f"/fhir/{request_}", headers=authority.header(scope, patient="p1"))
    assert answer.status_code == status, answer.text
    if ids is not None:
        found = {one["resource"]["id"] for one in answer.json().get("entry", [])}
        assert found - {"new", "own", "doctor", "moved"} == set(ids)
    if scope.startswith("patient/"):
        assert "hooks.example" not in answer.text or status == 200


@pytest.mark.parametrize(("scope", "method", "id", "status"), WRITES)
def test_writes(
    scope: str, method: str, id: str, status: int, subscribed: Any, authority: Any, make: Any
) -> None:
    headers = make.FHIR | authority.header(scope, patient="p1")
    target = "/fhir/Subscription" + ("" if method == "POST" else f"/{id}")
    given: dict[str, Any] = {"json": asked(id) | {"reason": "again"}, "headers": headers}
    if method == "PATCH":
        parts = [{"name": "type", "valueCode": "replace"}]
        parts += [{"name": "path", "valueString": "Subscription.reason"}]
        parts += [{"name": "value", "valueString": f"as {scope}"}]
        operation = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
        given["json"] = operation
    if method == "DELETE":
        del given["json"]
    answer = subscribed.request(method, target, **given)
    assert answer.status_code == status, answer.text


def test_the_entries_of_a_batch_are_judged_alike(subscribed: Any, authority: Any, make: Any) -> None:
    headers = make.FHIR | authority.header("patient/*.cruds", patient="p1")
    batch = make.transaction(asked("of-p2"), asked("of-p1")) | {"type": "batch"}
    entries = subscribed.post("/fhir", json=batch, headers=headers).json()["entry"]
    assert [one["response"]["status"] for one in entries] == ["403", "200"]


@pytest.mark.parametrize(
    "criteria",
    ["DetectedIssue?patient=p2", "Task?patient=Patient/p2", "DetectedIssue?patient=p2&severity=high"],
)
def test_a_search_of_another_patient_is_refused(criteria: str, subscribed: Any, authority: Any) -> None:
    headers = authority.header("patient/*.cruds", patient="p1")
    answer = subscribed.post("/fhir/Subscription", json=asked("new", criteria), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Subscription.criteria"]
    mine = asked("new", criteria.replace("p2", "p1"))
    assert subscribed.post("/fhir/Subscription", json=mine, headers=headers).status_code == 201
