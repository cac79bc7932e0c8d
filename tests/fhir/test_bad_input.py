"""Bad input is refused as the sender's fault, with the place and what to do, and nothing of it is stored."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-03-14",
}


def text(**changed: Any) -> bytes:
    return orjson.dumps({k: v for k, v in {**OBSERVATION, **changed}.items() if v is not ...})


def spelled(member: str) -> bytes:
    """The Observation with one more member, spelled as no encoder would."""
    return text()[:-1] + b"," + member.encode() + b"}"


BAD: dict[str, tuple[bytes, int, str]] = {
    "not JSON": (b"{'resourceType'", 400, "Resource"),
    "not an object": (b"[]", 400, "Resource"),
    "no resource type": (b'{"id":"o1"}', 400, "Resource.resourceType"),
    "another resource type": (text(resourceType="Condition"), 400, "Resource.resourceType"),
    "an unknown type": (text(resourceType="Telepathy"), 400, "Resource.resourceType"),
    "an unknown element": (text(colour="red"), 422, "Observation.colour"),
    "a misspelled nested element": (
        text(valueQuantity={"valeu": 1}),
        422,
        "Observation.valueQuantity.valeu",
    ),
    "a missing required element": (text(status=...), 422, "Observation.status"),
    "a wrong code": (text(status="finished"), 422, "Observation.status"),
    "a number as text": (text(valueQuantity={"value": "1.5"}), 422, "Observation.valueQuantity.value"),
    "a unit code without its system": (
        text(valueQuantity={"value": 1, "code": "mm"}),
        422,
        "Observation.valueQuantity.system",
    ),
    "a day that does not exist": (text(effectiveDateTime="2026-02-29"), 422, "Observation.effectiveDateTime"),
    "a month that does not exist": (text(effectiveDateTime="2026-13"), 422, "Observation.effectiveDateTime"),
    "a time without a zone": (
        text(effectiveDateTime="2026-03-14T10:00:00"),
        422,
        "Observation.effectiveDateTime",
    ),
    "a period that ends before it starts": (
        text(effectiveDateTime=..., effectivePeriod={"start": "2026-03", "end": "2026-02-28"}),
        422,
        "Observation.effectivePeriod",
    ),
    "two values": (text(valueString="a", valueInteger=1), 422, "Observation.value"),
    "a value and a reason for none": (
        text(valueInteger=1, dataAbsentReason={"text": "x"}),
        422,
        "Observation.dataAbsentReason",
    ),
    "a patient who is not here": (
        text(subject={"reference": "Patient/nobody"}),
        422,
        "Observation.subject.reference",
    ),
    "a focus that is not here": (
        text(focus=[{"reference": "BodyStructure/nowhere"}]),
        422,
        "Observation.focus[0].reference",
    ),
    "a contained resource that is not there": (
        text(focus=[{"reference": "#lesion"}]),
        422,
        "Observation.focus[0].reference",
    ),
    "a urn outside a bundle": (
        text(focus=[{"reference": "urn:uuid:9e6d0f3e-0f4e-4a3e-8f5e-1c1c1c1c1c1c"}]),
        422,
        "Observation.focus[0].reference",
    ),
    "a reference to the wrong type": (
        text(subject={"reference": "Practitioner/x"}),
        422,
        "Observation.subject.reference",
    ),
    "another id than the URL's": (text(id="o2"), 400, "Observation.id"),
    "an id with a slash": (text(id="o/1"), 400, "Observation.id"),
    "an id of 65 characters": (text(id="o" * 65), 400, "Observation.id"),
    "null": (text(issued=None), 422, "Observation.issued"),
    "null in a list": (text(category=[None]), 422, "Observation.category[0]"),
    "an empty list": (text(category=[]), 422, "Observation.category"),
    "an empty object": (text(method={}), 422, "Observation.method"),
    "an empty text": (text(valueString=""), 422, "Observation.valueString"),
    "invalid UTF-8": (text(valueString="@").replace(b"@", b"\xff\xfe"), 400, "Resource"),
    "half a surrogate": (spelled('"valueString":"\\ud800"'), 400, "Resource"),
    "a control character": (spelled('"valueString":"a\\u0000b"'), 400, "Observation.valueString"),
    "NaN": (spelled('"valueQuantity":{"value":NaN}'), 400, "Resource"),
    "a number beyond every number": (spelled('"valueQuantity":{"value":1e999}'), 400, "Resource"),
    "an integer beyond 32 bits": (
        spelled('"valueInteger":99999999999999999999'),
        422,
        "Observation.valueInteger",
    ),
    "a name given twice": (spelled('"status":"amended"'), 400, "Resource.descendants().status"),
    "a hidden name given twice": (spelled('"stat\\u0075s":"amended"'), 400, "Resource.descendants().status"),
    "deep nesting": (spelled('"extension":' + "[" * 900 + "]" * 900), 400, "Resource"),
    "abysmal nesting": (spelled('"extension":' + '[{"a":' * 200_000), 400, "Resource"),
    "script in the narrative": (
        text(text={"status": "generated", "div": "<div><script>alert(1)</script></div>"}),
        422,
        "Observation.text.div",
    ),
}


@pytest.fixture
def server(local: Any) -> Any:
    """One database is enough: bad input is refused before it gets there."""
    return local


def expressions(answer: Any) -> list[str]:
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["diagnostics"] for issue in outcome["issue"])
    return [path for issue in outcome["issue"] for path in issue.get("expression", [])]


@pytest.mark.parametrize("name", BAD)
def test_is_refused_and_not_stored(name: str, client: Any, server: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    before = server.stored()
    body, status, expression = BAD[name]

    answer = client.put("/Observation/o1", body)

    assert (answer.status_code, server.stored()) == (status, before), answer.text
    assert expression in expressions(answer)
    assert client.get("/Observation/o1").status_code == 404


def test_a_good_one_is_stored(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    assert client.put("/Observation/o1", text()).status_code == 201


def test_fifty_megabytes_are_refused_before_they_are_read(client: Any, server: Any) -> None:
    answer = client.put("/Observation/o1", b'{"resourceType":"' + b" " * 50_000_000)
    assert answer.status_code == 413
    assert expressions(answer) == ["Resource"]
    assert server.stored() == 0


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_one_bad_entry_refuses_the_whole_transaction(place: int, client: Any, server: Any, make: Any) -> None:
    entries = [make.entry(make.patient())] + [make.entry(make.observation(f"o{i}")) for i in range(4)]
    entries[place]["resource"]["birthDate" if place == 0 else "issued"] = "2026-02-30"

    answer = client.post("", make.transaction(*entries))

    assert answer.status_code == 422
    assert expressions(answer)[0].startswith(f"Bundle.entry[{place}].resource.")
    assert server.stored() == 0
    assert server.written == []


def test_a_dangling_reference_refuses_the_whole_transaction(client: Any, server: Any, make: Any) -> None:
    urn = "urn:uuid:9e6d0f3e-0f4e-4a3e-8f5e-1c1c1c1c1c1c"
    lost = make.observation("o2", focus=[{"reference": urn}])
    answer = client.post("", make.transaction(make.entry(make.patient()), make.entry(lost)))
    assert answer.status_code == 422
    assert expressions(answer) == ["Bundle.entry[1].resource.focus[0].reference"]
    assert server.stored() == 0


def test_no_value_of_the_patient_is_repeated(client: Any, make: Any) -> None:
    bad = make.patient(birthDate="1961-02-31", gender="geheim", Kasimir="Kasimir")
    answer = client.put("/Patient/p1", bad)
    assert answer.status_code == 422
    for value in ("1961", "geheim", "Muster", "Eva"):
        assert value not in answer.text


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/fhir+json", 201),
        ("application/fhir+json; charset=utf-8; fhirVersion=4.0", 201),
        ("application/json", 201),
        ("application/fhir+xml", 415),
        ("text/plain", 415),
        ("application/json; charset=latin-1", 415),
        ("application/fhir+json; fhirVersion=5.0", 415),
    ],
)
def test_only_json_is_taken(content_type: str, status: int, client: Any, make: Any) -> None:
    answer = client.send("PUT", "/Patient/p1", make.patient(), content_type=content_type)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("accept", "query", "status"),
    [
        ("application/fhir+json", "", 200),
        ("text/html, */*;q=0.1", "", 200),
        ("application/fhir+xml", "", 406),
        ("application/fhir+json; fhirVersion=5.0", "", 406),
        ("application/fhir+json; fhirVersion=4.0", "", 200),
        ("application/fhir+xml", "?_format=json", 200),
        ("application/json", "?_format=xml", 406),
    ],
)
def test_only_json_is_given(accept: str, query: str, status: int, client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    assert client.get(f"/Patient/p1{query}", accept=accept).status_code == status


def test_an_unknown_route_is_answered_in_fhir(client: Any) -> None:
    for answer in (
        client.get("/Telepathy"),
        client.get("/Patient/p1/x/y/z"),
        client.send("PATCH", "/metadata"),
    ):
        assert answer.status_code in (404, 405)
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_what_is_not_taken_is_told_with_what_is(client: Any) -> None:
    for method, path, taken in (
        ("TRACE", "/Patient", "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("POST", "/Patient/p1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", "/Patient/p1/_history/1", "GET, HEAD"),
        ("GET", "", "POST"),
    ):
        answer = client.send(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, taken), path
        assert f"but {taken}" in answer.json()["issue"][0]["diagnostics"]


def test_an_operation_that_is_not_here_is_not_found(client: Any) -> None:
    for method, path in (("POST", "/$weigh"), ("POST", "/Patient/$weigh"), ("POST", "/Patient/p1/$weigh")):
        answer = client.send(method, path)
        assert answer.status_code == 404, path
        assert "no such operation" in answer.json()["issue"][0]["diagnostics"]


def test_a_compressed_body_is_refused_as_such(client: Any, make: Any) -> None:
    answer = client.put("/Patient/p1", make.patient(), content_encoding="gzip")
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.json()["issue"][0]["diagnostics"]


def test_a_period_that_ends_before_it_starts_is_told_as_such(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    period = {"start": "2026-03", "end": "2026-02-28"}
    answer = client.put("/Observation/o1", text(effectiveDateTime=..., effectivePeriod=period))
    assert "ends before it starts" in answer.json()["issue"][0]["diagnostics"]
