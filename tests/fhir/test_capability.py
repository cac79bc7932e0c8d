"""The CapabilityStatement says what works: what it claims is done, and what it does not claim is refused."""

from __future__ import annotations

from typing import Any

import pytest

PATCH = "application/json-patch+json"
SAMPLES = {
    "token": "x",
    "string": "x",
    "date": "2026",
    "reference": "Patient/p1",
    "number": "0.5",
    "quantity": "1",
    "uri": "http://x.example",
    "composite": "x$2026",
}
TRIED = (
    "Patient",
    "Observation",
    "Condition",
    "RiskAssessment",
    "Flag",
    "Questionnaire",
    "Basic",
    "AuditEvent",
)


def resources(client: Any) -> dict[str, dict[str, Any]]:
    (rest,) = client.get("/metadata").json()["rest"]
    return {one["type"]: one for one in rest["resource"]}


def made(kind: str, make: Any, id: str = "x1") -> dict[str, Any]:
    subject = {"reference": "Patient/p1"}
    coded = {"text": "x"}
    more: dict[str, dict[str, Any]] = {
        "Patient": {},
        "Observation": {"status": "final", "code": coded, "subject": subject},
        "Condition": {"subject": subject},
        "RiskAssessment": {"status": "final", "subject": subject},
        "Flag": {"status": "active", "code": coded, "subject": subject},
        "Questionnaire": {"status": "draft"},
        "Basic": {"code": coded},
        "AuditEvent": {},
    }
    return {"resourceType": kind, "id": id, **more[kind]}


def attempts(kind: str, resource: dict[str, Any]) -> dict[str, tuple[str, str, Any, dict[str, str]]]:
    """One request for each interaction, in an order in which each finds what it needs."""
    steps = b'[{"op":"add","path":"/language","value":"en"}]'
    one = f"/{kind}/x1"
    return {
        "create": ("POST", f"/{kind}", resource, {}),
        "update": ("PUT", one, resource, {}),
        "read": ("GET", one, None, {}),
        "vread": ("GET", f"{one}/_history/1", None, {}),
        "patch": ("PATCH", one, steps, {"content_type": PATCH}),
        "history-instance": ("GET", f"{one}/_history", None, {}),
        "history-type": ("GET", f"/{kind}/_history", None, {}),
        "search-type": ("GET", f"/{kind}", None, {}),
        "delete": ("DELETE", one, None, {}),
    }


@pytest.mark.parametrize("kind", TRIED)
def test_what_is_claimed_of_a_type_works_and_the_rest_is_refused(
    kind: str, local_client: Any, make: Any
) -> None:
    claimed = {one["code"] for one in resources(local_client)[kind]["interaction"]}
    local_client.put("/Patient/p1", make.patient())
    for name, (method, path, body, headers) in attempts(kind, made(kind, make)).items():
        answer = local_client.send(method, path, body, **headers)
        if name in claimed and not (kind == "AuditEvent" and name == "read"):
            assert answer.status_code < 400, f"{name}: {answer.text}"
        else:
            assert answer.status_code in (404, 405), f"{name}: {answer.status_code}"
            assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_conditional_interactions_claimed_work(local_client: Any, make: Any) -> None:
    claimed = resources(local_client)["Patient"]
    assert claimed["conditionalCreate"]
    assert claimed["conditionalUpdate"]
    assert claimed["updateCreate"]
    known = make.patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    made_by = local_client.post("/Patient", known, if_none_exist="identifier=urn:mrn|1")
    again = local_client.put("/Patient?identifier=urn:mrn|1", {**known, "id": made_by.json()["id"]})
    assert (made_by.status_code, again.status_code) == (201, 200)
    assert claimed["conditionalRead"] == "full-support"
    url = f"/Patient/{made_by.json()['id']}"
    stamp = local_client.get(url).headers["last-modified"]
    assert local_client.get(url, if_modified_since=stamp).status_code == 304
    assert local_client.get(url, if_modified_since="Mon, 01 Jan 2001 00:00:00 GMT").status_code == 200
    assert claimed["conditionalDelete"] == "single"
    local_client.post("/Patient", known)
    assert local_client.delete("/Patient?identifier=urn:mrn|1").status_code == 412


@pytest.mark.parametrize("kind", TRIED)
def test_every_parameter_claimed_is_searched_and_no_other(kind: str, local_client: Any) -> None:
    claimed = resources(local_client)[kind]
    for parameter in claimed["searchParam"]:
        sample = SAMPLES[parameter["type"]]
        answer = local_client.get(f"/{kind}?{parameter['name']}={sample}", prefer="handling=strict")
        assert answer.status_code == 200, f"{parameter['name']}: {answer.text}"
    for name in ("shoe-size", "_text", "_content", "_list", "_query", "_filter"):
        assert local_client.get(f"/{kind}?{name}=x", prefer="handling=strict").status_code == 400
    for kept in claimed.get("searchInclude", []):
        assert local_client.get(f"/{kind}?_include={kept}").status_code == 200, kept
    for kept in claimed.get("searchRevInclude", [])[:40]:
        assert local_client.get(f"/{kind}?_revinclude={kept}").status_code == 200, kept


def test_the_modifiers_claimed_are_understood_and_no_other(local_client: Any) -> None:
    (rest,) = local_client.get("/metadata").json()["rest"]
    told = rest["documentation"].removeprefix("Modifiers of search parameters. ")
    claimed = {kind: names.split() for kind, names in (one.split(": ") for one in told.split("; "))}
    asked = {
        "token": "Observation?identifier",
        "string": "Patient?name",
        "date": "Observation?date",
        "number": "RiskAssessment?probability",
        "quantity": "Observation?value-quantity",
        "uri": "ValueSet?url",
        "reference": "Encounter?location",
    }
    known = {":missing", ":exact", ":contains", ":text", ":not", ":in", ":not-in", ":above", ":below"}
    known |= {":identifier", ":of-type"}
    for kind, parameter in asked.items():
        for modifier in known:
            said = local_client.get(f"/{parameter}{modifier}=1").json()
            refused = said.get("issue", [{}])[0].get("diagnostics", "").startswith("The modifier")
            assert refused is (modifier not in claimed[kind]), (kind, modifier, said)


def test_the_whole_system_does_what_is_claimed(local_client: Any, make: Any) -> None:
    (rest,) = local_client.get("/metadata").json()["rest"]
    assert [one["code"] for one in rest["interaction"]] == ["transaction", "batch", "history-system"]
    for kind in ("transaction", "batch"):
        assert (
            local_client.post("", make.transaction(make.entry(make.patient()), kind=kind)).status_code == 200
        )
    assert local_client.get("/_history").status_code == 200
    assert local_client.get("?name=x").status_code in (404, 405), "search of all types is not claimed"
    assert [one["name"] for one in rest["operation"]] == ["validate"]
    assert local_client.post("/$validate", make.patient()).status_code == 200
    assert local_client.get("/metadata", accept="application/fhir+xml").status_code == 406


def test_the_statement_has_an_etag_that_spares_reading_it_again(local_client: Any) -> None:
    tag = local_client.get("/metadata").headers["etag"]
    assert local_client.get("/metadata", if_none_match=tag).status_code == 304


def test_each_form_of_patch_claimed_is_taken(local_client: Any, make: Any) -> None:
    steps = [{"op": "add", "path": "/language", "value": "en"}]
    parts = [
        {"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": "Patient.language"},
    ]
    operation = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    sent = {PATCH: steps, "application/fhir+json": operation}
    local_client.put("/Patient/p1", make.patient())
    claimed = local_client.get("/metadata").json()["patchFormat"]
    assert sorted(claimed) == sorted(sent)
    for kind, body in sent.items():
        assert local_client.send("PATCH", "/Patient/p1", body, content_type=kind).status_code == 200
    xml = local_client.send("PATCH", "/Patient/p1", b"<diff/>", content_type="application/xml-patch+xml")
    assert xml.status_code == 415


def test_each_parameter_of_our_own_is_named_at_our_own_address(local_client: Any) -> None:
    listed = resources(local_client)["DetectedIssue"]["searchParam"]
    urls = {one["name"]: one["definition"] for one in listed}
    assert urls["severity"] == "https://isodose.example/fhir/SearchParameter/DetectedIssue-severity"
    assert urls["code"] == "http://hl7.org/fhir/SearchParameter/DetectedIssue-code"
