"""JSON Patch changes what it names and leaves the rest to the letter."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

PATCH = "application/json-patch+json"


def replace(path: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": path, "value": value}]


@pytest.fixture
def measured(client: Any, make: Any) -> Any:
    client.put("/Patient/p1", make.patient())
    client.put(
        "/Observation/o1",
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},'
        b'"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.50,"unit":"cm"}}',
    )
    return client


def patch(client: Any, path: str, steps: Any, **headers: str) -> Any:
    return client.send("PATCH", path, orjson.dumps(steps), content_type=PATCH, **headers)


def test_what_is_not_named_stays_to_the_letter(measured: Any) -> None:
    answer = patch(measured, "/Observation/o1", replace("/status", "amended"))
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert b'"value":1.50' in measured.get("/Observation/o1").content
    history = measured.get("/Observation/o1/_history").json()["entry"]
    assert history[0]["request"]["method"] == "PATCH"
    assert measured.ids("/Observation?status=amended") == ["o1"]


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ({"op": "replace"}, 400),
        ([{"op": "jump", "path": "/status"}], 400),
        ([{"path": "/status"}], 400),
        (replace("/shoe/size", 42), 422),
        (replace("/status", "done"), 422),
        (replace("/id", "o2"), 422),
        (replace("/resourceType", "Patient"), 422),
        ([{"op": "remove", "path": "/status"}], 422),
        ([{"op": "test", "path": "/status", "value": "amended"}], 409),
        ([{"op": "remove", "path": ""}], 422),
        ([1], 400),
        ([{"op": "copy", "from": "", "path": f"/extension{n}"} for n in range(30)], 413),
    ],
)
def test_a_wrong_patch_changes_nothing_and_says_why(steps: Any, status: int, measured: Any) -> None:
    answer = patch(measured, "/Observation/o1", steps)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert measured.get("/Observation/o1").headers["etag"] == 'W/"1"'


def test_a_patch_nested_beyond_reason_is_no_patch(measured: Any) -> None:
    answer = measured.send("PATCH", "/Observation/o1", b"[" * 100_000, content_type=PATCH)
    assert answer.status_code == 400


def test_versions_and_conditions_hold(measured: Any) -> None:
    steps = replace("/status", "amended")
    assert patch(measured, "/Observation/o1", steps, if_match='W/"9"').status_code == 412
    assert patch(measured, "/Observation/o1", steps, if_match='"1"').status_code == 200
    assert patch(measured, "/Observation?patient=p1", replace("/status", "final")).status_code == 200
    assert patch(measured, "/Observation?patient=p2", steps).status_code == 404
    assert patch(measured, "/Observation/never", steps).status_code == 404
    assert measured.send("PATCH", "/Observation/o1", b"[]").status_code == 415


def test_a_patch_in_a_transaction(measured: Any, make: Any) -> None:
    data = base64.b64encode(orjson.dumps(replace("/status", "amended"))).decode()
    binary = {"resourceType": "Binary", "contentType": PATCH, "data": data}
    entry = {"resource": binary, "request": {"method": "PATCH", "url": "Observation/o1"}}
    answer = measured.post("", make.transaction(entry))
    assert answer.status_code == 200, answer.text
    assert measured.get("/Observation/o1").json()["status"] == "amended"
    lost = {"resource": binary, "request": {"method": "PATCH", "url": "Observation?patient=p9"}}
    assert measured.post("", make.transaction(lost)).status_code == 404
    plain = {"resource": make.observation(), "request": {"method": "PATCH", "url": "Observation/o1"}}
    assert measured.post("", make.transaction(plain)).status_code == 400
