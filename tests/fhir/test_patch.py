"""A patch, in either form, changes what it names and leaves the rest to the letter."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

PATCH = "application/json-patch+json"


Json = dict[str, Any]


def part(name: str, **value: Any) -> Json:
    return {"name": name, **value}


def operation(type: str, path: str, *parts: Json) -> Json:
    first = [part("type", valueCode=type), part("path", valueString=path)]
    return {"name": "operation", "part": [*first, *parts]}


def add(path: str, name: str, **value: Any) -> Json:
    return operation("add", path, part("name", valueString=name), part("value", **value))


def insert(path: str, index: int, **value: Any) -> Json:
    return operation("insert", path, part("index", valueInteger=index), part("value", **value))


def delete(path: str) -> Json:
    return operation("delete", path)


def put(path: str, **value: Any) -> Json:
    return operation("replace", path, part("value", **value))


def move(path: str, source: int, destination: int) -> Json:
    at = (part("source", valueInteger=source), part("destination", valueInteger=destination))
    return operation("move", path, *at)


def operations(*listed: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(listed)}


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
    ],
)
def test_a_wrong_patch_changes_nothing_and_says_why(steps: Any, status: int, measured: Any) -> None:
    answer = patch(measured, "/Observation/o1", steps)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert measured.get("/Observation/o1").headers["etag"] == 'W/"1"'


def test_a_patch_that_doubles_the_resource_again_and_again_is_stopped(local_client: Any, make: Any) -> None:
    local_client.put("/Patient/p1", make.patient())
    doubling = [{"op": "copy", "from": "", "path": f"/extension{n}"} for n in range(30)]
    assert patch(local_client, "/Patient/p1", doubling).status_code == 413
    assert local_client.get("/Patient/p1").headers["etag"] == 'W/"1"'


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
    assert measured.send("PATCH", "/Observation/o1", b"[]").status_code == 400
    assert measured.send("PATCH", "/Observation/o1", b"<x/>", content_type="text/xml").status_code == 415


def test_a_patch_in_a_transaction(measured: Any, make: Any) -> None:
    data = base64.b64encode(orjson.dumps(replace("/status", "amended"))).decode()
    binary = {"resourceType": "Binary", "contentType": PATCH, "data": data}
    entry = {"resource": binary, "request": {"method": "PATCH", "url": "Observation/o1"}}
    answer = measured.post("", make.transaction(entry))
    assert answer.status_code == 200, answer.text
    assert measured.get("/Observation/o1").json()["status"] == "amended"
    lost = {"resource": binary, "request": {"method": "PATCH", "url": "Observation?patient=p9"}}
    assert measured.post("", make.transaction(lost)).status_code == 404
    told = measured.post("", make.transaction(lost | {"resource": operations(delete("Observation.status"))}))
    assert told.status_code == 404
    plain = {"resource": make.observation(), "request": {"method": "PATCH", "url": "Observation/o1"}}
    assert measured.post("", make.transaction(plain)).status_code == 400


PERSON: Json = {
    "resourceType": "Patient",
    "id": "p2",
    "name": [{"family": "Muster", "given": ["Eva", "Ada"]}, {"use": "maiden", "family": "Beispiel"}],
    "birthDate": "1961-05-01",
    "_birthDate": {"extension": [{"url": "http://site.example/time", "valueString": "noon"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"family": "Freund"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "managingOrganization": {"reference": "#o"},
}
CHANGED: list[tuple[list[Json], Json]] = [
    ([add("Patient", "gender", valueCode="female")], {"gender": "female"}),
    (
        [add("Patient.name[1]", "given", valueString="Eva")],
        {"name": [PERSON["name"][0], {**PERSON["name"][1], "given": ["Eva"]}]},
    ),
    (
        [add("Patient", "contact", part=[
            part("name", valueHumanName={"family": "Nachbar"}),
            part("telecom", valueContactPoint={"system": "phone", "value": "1"}),
            part("telecom", valueContactPoint={"system": "phone", "value": "2"}),
            part("gender", valueCode="male"),
        ])],
        {"contact": [*PERSON["contact"], {
            "name": {"family": "Nachbar"}, "gender": "male",
            "telecom": [{"system": "phone", "value": "1"}, {"system": "phone", "value": "2"}],
        }]},
    ),
    ([add("Patient.birthDate.extension('http://site.example/time')", "id", valueString="e1")],
     {"_birthDate": {"extension": [{"id": "e1", "url": "http://site.example/time", "valueString": "noon"}]}}),
    ([insert("Patient.name[0].given", 1, valueString="Ida")],
     {"name": [{"family": "Muster", "given": ["Eva", "Ida", "Ada"]}, PERSON["name"][1]]}),
    ([insert("Patient.name", 2, valueHumanName={"text": "E"})], {"name": [*PERSON["name"], {"text": "E"}]}),
    ([delete("Patient.birthDate")], {"birthDate": None, "_birthDate": None}),
    ([delete("Patient.name.where(use = 'maiden')")], {"name": PERSON["name"][:1]}),
    ([delete("Patient.name.given.where($this = 'Eva')")],
     {"name": [{"family": "Muster", "given": ["Ada"]}, PERSON["name"][1]]}),
    ([delete("Patient.contact")], {"contact": None}),
    ([delete("Patient.photo")], {}),
    ([put("Patient.deceased", valueDateTime="2026-11-01")],
     {"deceasedBoolean": None, "deceasedDateTime": "2026-11-01"}),
    ([put("Patient.name.first().given[1]", valueString="Ida")],
     {"name": [{"family": "Muster", "given": ["Eva", "Ida"]}, PERSON["name"][1]]}),
    ([put("Patient.contained[0].name", valueString="Station")],
     {"contained": [{"resourceType": "Organization", "id": "o", "name": "Station"}]}),
    ([move("Patient.name", 1, 0), put("name[0].family", valueString="B")],
     {"name": [{"use": "maiden", "family": "B"}, PERSON["name"][0]]}),
]  # fmt: skip


def test_each_operation_of_a_fhirpath_patch_changes_what_its_path_selects(local_client: Any) -> None:
    for patch_sent, changed in CHANGED:
        local_client.put("/Patient/p2", PERSON)
        answer = local_client.send("PATCH", "/Patient/p2", operations(*patch_sent))
        assert answer.status_code == 200, (patch_sent, answer.text)
        wanted = {name: value for name, value in (PERSON | changed).items() if value is not None}
        found = answer.json()
        assert {name: value for name, value in found.items() if name != "meta"} == wanted


def test_ids_and_extensions_of_primitives_go_with_their_values(local_client: Any) -> None:
    said = {"extension": [{"url": "http://site.example/sure", "valueBoolean": True}]}
    known = {"family": "M", "given": ["A", "B"], "_given": [None, said]}
    local_client.put("/Patient/p2", {**PERSON, "name": [known]})
    sent = operations(
        move("Patient.name.given", 1, 0),
        insert("Patient.name.given", 1, valueString="C"),
        delete("Patient.name.given[2]"),
        add("Patient.name", "suffix", valueString="D", _valueString=said),
    )
    answer = local_client.send("PATCH", "/Patient/p2", sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == [
        {"family": "M", "given": ["B", "C"], "_given": [said, None], "suffix": ["D"], "_suffix": [said]}
    ]


def test_a_fhirpath_patch_leaves_numbers_to_the_letter_and_takes_them_so(measured: Any) -> None:
    sent = operations(add("Observation", "component", part=[
        part("code", valueCodeableConcept={"text": "y"}), part("value", valueQuantity={"value": 0}),
    ]))  # fmt: skip
    body = orjson.dumps(sent).replace(b'"value":0', b'"value":2.50')
    answer = measured.send("PATCH", "/Observation/o1", body)
    assert answer.status_code == 200, answer.text
    assert b'"value":1.50' in answer.content
    assert b'"valueQuantity":{"value":2.50}' in answer.content
    assert measured.send("PATCH", "/Observation?patient=p1", sent, if_match='W/"1"').status_code == 412
    assert measured.send("PATCH", "/Observation?patient=p1", sent, if_match='W/"2"').status_code == 200
    assert measured.send("PATCH", "/Observation?patient=p9", sent).status_code == 404


def test_a_wrong_fhirpath_patch_changes_nothing_and_names_the_culprit(local_client: Any) -> None:
    local_client.put("/Patient/p2", PERSON)
    first = add("Patient", "gender", valueCode="female")
    wrong: list[tuple[Json, int, str]] = [
        (operation("change", "Patient.name"), 400, "part[0].valueCode"),
        ({"name": "operation"}, 400, "part"),
        ({"name": "operation", "part": [part("type", valueString="add")]}, 400, "part[0]"),
        ({"name": "other", "part": first["part"]}, 400, "name"),
        (operation("add", "Patient"), 400, "part"),
        (operation("delete", "Patient.name[0]", part("index", valueInteger=1)), 400, "part[2]"),
        (delete("Patient.name["), 400, "part[1].valueString"),
        (delete("Patient.name.descendants()"), 400, "part[1].valueString"),
        (delete("%resource.name[0]"), 400, "part[1].valueString"),
        (delete("1 + 1"), 400, "part[1].valueString"),
        (delete("(" * 240 + "Patient" + ")" * 240), 422, "part[1].valueString"),
        (delete("Patient.name" + ".where(true)" * 60), 400, "part[1].valueString"),
        (delete("Patient.name"), 422, "part[1].valueString"),
        (delete("Patient"), 422, "part[1].valueString"),
        (put("Patient.photo", valueAttachment={"title": "x"}), 422, "part[1].valueString"),
        (put("Patient.birthDate", valueHumanName={"text": "x"}), 422, ""),
        (add("Patient", "shoe", valueString="42"), 422, "part[2].valueString"),
        (add("Patient", "birthDate", valueDate="1961-05-01"), 422, "part[2].valueString"),
        (add("Patient.birthDate", "value", valueDate="1961-05-01"), 422, "part[1].valueString"),
        (add("Patient", "contact", part=[part("shoe", valueString="x")]), 422, "part[3].part[0].valueString"),
        (add("Patient", "contact"), 400, "part[3]"),
        (insert("Patient.name", 3, valueHumanName={"text": "x"}), 422, "part[2].valueInteger"),
        (insert("Patient.name[0]", 0, valueHumanName={"text": "x"}), 422, "part[1].valueString"),
        (insert("Patient.photo", 0, valueAttachment={"title": "x"}), 422, "part[1].valueString"),
        (move("Patient.name", 0, 2), 422, "part[3].valueInteger"),
        (put("Patient.id", valueId="p3"), 422, ""),
    ]
    for sent, status, where in wrong:
        answer = local_client.send("PATCH", "/Patient/p2", operations(first, sent))
        assert answer.status_code == status, (sent, answer.text)
        (issue, *_) = answer.json()["issue"]
        if where:
            assert issue["expression"] == [f"Parameters.parameter[1].{where}"], (sent, issue)
    many = operations(*[first] * 201)
    assert local_client.send("PATCH", "/Patient/p2", many).status_code == 400
    assert local_client.send("PATCH", "/Patient/p2", PERSON).status_code == 400
    nameless = operations({"part": []})
    assert local_client.send("PATCH", "/Patient/p2", nameless).status_code == 422
    assert local_client.get("/Patient/p2").headers["etag"] == 'W/"1"'


def test_fhirpath_patches_are_entries_of_batches_and_transactions(local_client: Any, make: Any) -> None:
    local_client.put("/Patient/p2", PERSON)
    female = operations(add("Patient", "gender", valueCode="female"))
    one = {"resource": female, "request": {"method": "PATCH", "url": "Patient/p2", "ifMatch": 'W/"1"'}}
    assert local_client.post("", make.transaction(one)).status_code == 200
    assert local_client.get("/Patient/p2").json()["gender"] == "female"
    named = {"method": "PATCH", "url": "Patient?family=Muster"}
    good = {"resource": operations(put("Patient.gender", valueCode="male")), "request": named}
    bad = {"resource": operations(delete("Patient.name[")), "request": named}
    entries = local_client.post("", make.transaction(one, bad, good, kind="batch")).json()["entry"]
    assert [each["response"]["status"] for each in entries] == ["412", "400", "200"]
    (issue,) = entries[1]["response"]["outcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[1].resource.parameter[0].part[1].valueString"]
    assert local_client.get("/Patient/p2").json()["gender"] == "male"
