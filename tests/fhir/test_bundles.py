"""A transaction is all or nothing and independent of order; a batch is many requests in one."""

from __future__ import annotations

from typing import Any

URN = "urn:uuid:6f3c7e0a-2f0b-4f43-9a52-0c5d9b3e6a11"


def reference(bundle_entry: dict[str, Any]) -> str:
    return "/".join(bundle_entry["response"]["location"].split("/")[-4:-2])


def test_references_between_entries_become_real_in_any_order(client: Any, server: Any, make: Any) -> None:
    person = make.entry(make.patient(), "POST", full_url=URN)
    seen = make.entry(make.observation(subject={"reference": URN}, valueString="1.50"), "POST")
    answer = client.post("", make.transaction(seen, person))
    assert answer.status_code == 200
    assert answer.json()["type"] == "transaction-response"
    first, second = answer.json()["entry"]
    assert [first["response"]["status"], second["response"]["status"]] == ["201", "201"]
    stored = client.get(f"/{reference(first)}").json()
    assert stored["subject"]["reference"] == reference(second)
    assert server.written == [[reference(first), reference(second)]]


def test_references_by_full_url_of_another_server_are_followed(client: Any, make: Any) -> None:
    person = make.entry(make.patient("7"), "POST", full_url="https://elsewhere.example/fhir/Patient/7")
    relative = make.entry(make.observation(subject={"reference": "Patient/7"}), "POST")
    absolute = make.entry(
        make.observation(subject={"reference": "https://elsewhere.example/fhir/Patient/7"}), "POST"
    )
    entries = client.post("", make.transaction(person, relative, absolute)).json()["entry"]
    for one in entries[1:]:
        assert client.get(f"/{reference(one)}").json()["subject"]["reference"] == reference(entries[0])


def test_a_conditional_reference_is_resolved(client: Any, make: Any) -> None:
    client.put("/Patient/p9", make.patient("p9", identifier=[{"system": "urn:mrn", "value": "9"}]))
    seen = make.observation(subject={"reference": "Patient?identifier=urn:mrn|9"})
    assert client.post("", make.transaction(make.entry(seen))).status_code == 200
    assert client.get("/Observation/o1").json()["subject"]["reference"] == "Patient/p9"
    lost = make.observation("o2", subject={"reference": "Patient?identifier=urn:mrn|10"})
    refused = client.post("", make.transaction(make.entry(lost)))
    assert refused.status_code == 412
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.subject.reference"]


def test_conditional_create_in_a_transaction_links_to_what_is_there(client: Any, make: Any) -> None:
    known = make.patient(identifier=[{"system": "urn:mrn", "value": "A"}])
    client.put("/Patient/p1", known)
    person = make.entry(known, "POST", full_url=URN, ifNoneExist="identifier=urn:mrn|A")
    seen = make.entry(make.observation(subject={"reference": URN}))
    answer = client.post("", make.transaction(person, seen)).json()
    assert answer["entry"][0]["response"]["status"] == "200"
    assert client.get("/Observation/o1").json()["subject"]["reference"] == "Patient/p1"


def test_a_transaction_may_delete_and_read(client: Any, make: Any) -> None:
    client.post("", make.transaction(make.entry(make.patient()), make.entry(make.observation())))
    gone = {"request": {"method": "DELETE", "url": "Observation/o1"}}
    read = {"request": {"method": "GET", "url": "Patient/p1"}}
    found = {"request": {"method": "GET", "url": "Observation?patient=p1"}}
    entries = client.post("", make.transaction(gone, read, found)).json()["entry"]
    assert [one["response"]["status"] for one in entries] == ["204", "200", "200"]
    assert entries[1]["resource"]["id"] == "p1"
    assert entries[2]["resource"]["total"] == 0


def test_two_entries_for_one_resource_are_refused(client: Any, server: Any, make: Any) -> None:
    twice = make.transaction(make.entry(make.patient()), make.entry(make.patient(gender="male")))
    answer = client.post("", twice)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert server.stored() == 0


def test_a_batch_keeps_what_is_good_and_says_what_is_not(client: Any, server: Any, make: Any) -> None:
    entries = [
        make.entry(make.patient()),
        make.entry(make.observation("o1", status="finished")),
        make.entry(make.observation("o2")),
        {"request": {"method": "GET", "url": "Patient/nobody"}},
    ]
    answer = client.post("", make.transaction(*entries, kind="batch")).json()
    assert [one["response"]["status"] for one in answer["entry"]] == ["201", "422", "201", "404"]
    outcome = answer["entry"][1]["response"]["outcome"]
    assert outcome["issue"][0]["expression"] == ["Bundle.entry[1].resource.status"]
    assert client.get("/Observation/o1").status_code == 404
    assert server.written == [["Patient/p1", "Observation/o2"]]


NOT_PROCESSED = {
    "collection": "give each entry a request",
    "searchset": "give each entry a request",
    "history": "a history is not replayed",
    "message": "messages are not processed",
    "document": "POST it to /Bundle",
    "transaction-response": "this is an answer",
    "batch-response": "this is an answer",
}


def held(kind: str, make: Any) -> dict[str, Any]:
    """A valid Bundle of this type that holds a patient."""
    person: dict[str, Any] = {"fullUrl": "http://x.example/Patient/p1", "resource": make.patient()}
    done: dict[str, Any] = {"response": {"status": "200"}}
    if kind == "history":
        done["request"] = {"method": "PUT", "url": "Patient/p1"}
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind, "timestamp": "2026-11-23T10:00:00Z"}
    first: dict[str, Any] = {"resourceType": "MessageHeader", "eventUri": "http://x.example/told"}
    first["source"] = {"endpoint": "http://x.example"}
    if kind == "document":
        bundle["identifier"] = {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}
        first = {"resourceType": "Composition", "status": "final", "title": "x", "type": {"text": "x"}}
        first |= {"date": "2026-11-23", "author": [{"display": "x"}]}
    if kind in ("document", "message"):
        return bundle | {
            "entry": [{"fullUrl": f"http://x.example/{first['resourceType']}/1", "resource": first}, person]
        }
    return bundle | {"entry": [person | (done if kind.endswith(("history", "response")) else {})]}


def test_a_bundle_of_another_type_is_not_processed_and_is_told_what_to_send(
    local_client: Any, make: Any
) -> None:
    for kind, advice in NOT_PROCESSED.items():
        answer = local_client.post("", held(kind, make))
        assert answer.status_code == 400, f"{kind}: {answer.text}"
        (issue,) = answer.json()["issue"]
        assert issue["expression"] == ["Bundle.type"]
        assert advice in issue["diagnostics"]
        assert local_client.get("/Patient/p1").status_code == 404
        kept = local_client.post("/Bundle", held(kind, make))
        assert kept.status_code == 201, f"{kind}: {kept.text}"
        assert local_client.get("/Patient/p1").status_code == 404
    odd_entries = [{"type": kind, "entry": odd} for kind in ("history", "batch") for odd in (None, {}, "x")]
    for odd in ({"type": "pile"}, {"type": None}, {}, *odd_entries):
        answer = local_client.post("", {"resourceType": "Bundle", **odd})
        assert answer.status_code == 422, answer.text


def test_entries_read_whatever_a_get_reads(local_client: Any, make: Any) -> None:
    local_client.put("/Patient/p1", make.patient())
    local_client.put("/Patient/p1", make.patient(gender="female"))
    local_client.put("/Observation/o1", make.observation())
    urls = [
        "Patient/p1",
        "/Patient/p1",
        "Patient/p1/_history",
        "Patient/p1/_history?_count=1",
        "Patient/p1/_history/1",
        "Patient/_history",
        "_history",
        "_history?_count=2",
        "Patient?gender=female",
        "Observation?patient.gender=female&_include=Observation:subject",
        "Patient?_summary=count",
        "Patient?_elements=gender",
        "Patient/p1?_summary=text",
        "Patient/p1/$everything?_count=1",
    ]
    for kind in ("batch", "transaction"):
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        answer = local_client.post("", make.transaction(*entries, kind=kind))
        assert answer.status_code == 200, answer.text
        for url, entry in zip(urls, answer.json()["entry"], strict=True):
            assert entry["response"]["status"] == "200", url
            alone = local_client.get(f"/{url.removeprefix('/')}")
            assert entry["resource"] == alone.json(), url
            assert entry["response"].get("etag") == alone.headers.get("etag"), url


def test_an_entry_that_cannot_be_read_is_named(local_client: Any, make: Any) -> None:
    local_client.put("/Patient/p1", make.patient())
    urls = {
        "Patient/p2": "404",
        "Patient/p1/_history/7": "404",
        "Shoe": "404",
        "Shoe?size=42": "404",
        "metadata": "404",
        "Patient/p1/$validate": "400",
        "Patient/p1/name": "400",
        "Observation/o1/$everything": "400",
        "Patient?birthdate=yesterday": "400",
        "Patient/p1?_summary=long": "400",
        "Patient/_history?_since=x": "400",
        "AuditEvent/_history": "404",
    }
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = local_client.post("", make.transaction(*entries, kind="batch")).json()["entry"]
    for index, (url, entry) in enumerate(zip(urls, answer, strict=True)):
        assert entry["response"]["status"] == urls[url], url
        (issue,) = entry["response"]["outcome"]["issue"]
        assert issue["expression"] == [f"Bundle.entry[{index}].request.url"], url
    good = make.entry(make.observation("o9"))
    refused = local_client.post("", make.transaction(good, entries[0]))
    assert refused.status_code == 404
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[1].request.url"]
    assert local_client.get("/Observation/o9").status_code == 404


def test_what_is_known_is_not_read_again_by_an_entry(local_client: Any, make: Any) -> None:
    local_client.put("/Patient/p1", make.patient())
    get = {"method": "GET", "url": "Patient/p1"}
    conditions = [
        ({"ifNoneMatch": 'W/"1"'}, "304"),
        ({"ifNoneMatch": 'W/"2"'}, "200"),
        ({"ifModifiedSince": "2099-01-01T00:00:00Z"}, "304"),
        ({"ifModifiedSince": "2001-01-01T00:00:00Z"}, "200"),
    ]
    entries = [{"request": get | condition} for condition, _ in conditions]
    entries.append({"request": get | {"method": "HEAD"}})
    found = local_client.post("", make.transaction(*entries, kind="batch")).json()["entry"]
    assert [one["response"]["status"] for one in found] == [*(status for _, status in conditions), "200"]
    assert ["resource" in one for one in found] == [False, True, False, True, False]
    assert found[0]["response"]["etag"] == 'W/"1"'


def test_the_answer_holds_the_resources_when_they_are_wanted(client: Any, make: Any) -> None:
    bundle = make.transaction(make.entry(make.patient()))
    answer = client.post("", bundle, prefer="return=representation").json()
    assert answer["entry"][0]["resource"]["id"] == "p1"


def test_a_type_that_is_no_text_is_refused_by_its_place(client: Any, server: Any, make: Any) -> None:
    for odd in ([], {}, 1, True):
        answer = client.post("", make.transaction({"resource": {"resourceType": odd}}))
        assert answer.status_code == 422
        assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.resourceType"]
    assert server.stored() == 0


def test_an_invalid_meta_is_refused_also_where_a_full_url_stands_twice(client: Any, make: Any) -> None:
    for odd in (1, [], "x", {"versionId": []}):
        person = make.entry(make.patient(meta=odd), full_url=URN)
        answer = client.post("", make.transaction(person, person))
        assert answer.status_code == 422
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_whose_records_the_entries_read_is_told_to_the_audit(
    local: Any, local_client: Any, make: Any
) -> None:
    deeds: list[Any] = []
    watched = type(local_client)(local.app(witness=lambda _request, deed: deeds.append(deed)))
    watched.put("/Patient/p1", make.patient())
    watched.put("/Observation/o1", make.observation())
    get = {"request": {"method": "GET", "url": "Observation/o1/_history"}}
    assert watched.post("", make.transaction(get, kind="batch")).status_code == 200
    assert (deeds[-1].interaction, deeds[-1].patients) == ("batch", ("p1",))


def test_each_entry_of_a_batch_that_is_none_is_refused_in_its_place(local_client: Any, make: Any) -> None:
    post = {"method": "POST", "url": "Observation"}
    wrong: list[tuple[Any, str, str]] = [
        (None, "422", "Bundle.entry[0]"),
        ({"resource": make.patient()}, "400", "Bundle.entry[1].request"),
        ({"resource": make.patient()}, "400", "Bundle.entry[2].request"),
        ({"request": {"method": "GET"}}, "422", "Bundle.entry[3].request.url"),
        ({"request": [post]}, "422", "Bundle.entry[4].request"),
        ({"resource": "x", "request": post}, "422", "Bundle.entry[5].resource"),
        ({"resource": ["x"], "request": post}, "422", "Bundle.entry[6].resource"),
        (
            {"resource": 5, "request": {"method": "DELETE", "url": "Patient/x"}},
            "422",
            "Bundle.entry[7].resource",
        ),
        (
            {"resource": "x", "request": {"method": "PATCH", "url": "Patient/x"}},
            "422",
            "Bundle.entry[8].resource",
        ),
        ({"resource": {"status": "final"}, "request": post}, "400", "Bundle.entry[9].resource.resourceType"),
        (
            {"request": post | {"ifNoneExist": "x=1"}, "resource": make.observation()},
            "400",
            "Bundle.entry[10].request",
        ),
    ]
    entries = [*(entry for entry, _, _ in wrong), make.entry(make.patient())]
    answer = local_client.post("", make.transaction(*entries, kind="batch"))
    assert answer.status_code == 200, answer.text
    *refused, kept = (one["response"] for one in answer.json()["entry"])
    told = [(one["status"], one["outcome"]["issue"][0]["expression"]) for one in refused]
    assert told == [(status, [where]) for _, status, where in wrong]
    assert kept["status"] == "201"


def test_the_same_full_url_twice_refuses_a_batch(local_client: Any, make: Any) -> None:
    twice = [make.entry(make.patient(id), full_url=URN) for id in ("p1", "p2")]
    answer = local_client.post("", make.transaction(*twice, kind="batch"))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["Bundle.entry[1].fullUrl"])


def test_the_delete_of_what_is_not_there_says_nothing_of_a_version(local_client: Any, make: Any) -> None:
    gone = {"request": {"method": "DELETE", "url": "Patient/nobody"}}
    (entry,) = local_client.post("", make.transaction(gone)).json()["entry"]
    assert entry == {"response": {"status": "204"}}
