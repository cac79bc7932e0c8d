"""What a FHIR client may do with one resource, and what it is told."""

from __future__ import annotations

from typing import Any

from isodose.fhir.rest import Operation


def test_what_was_sent_is_kept_to_the_letter(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    sent = (
        b'{"resourceType":"Observation","id":"o1","meta":{"source":"urn:oid:1.2","versionId":"99"},'
        b'"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},'
        b'"valueQuantity":{"value":1.50, "unit":"cm"},"note":[{"text":"caf\\u00e9"}]}'
    )
    client.put("/Observation/o1", sent)
    read = client.get("/Observation/o1")
    assert b'{"value":1.50, "unit":"cm"}' in read.content
    assert b'"note":[{"text":"caf\\u00e9"}]' in read.content
    assert read.json()["meta"]["source"] == "urn:oid:1.2"
    assert read.json()["meta"]["versionId"] == "1"


def test_create_gives_an_id_a_version_and_a_place(client: Any, server: Any, make: Any) -> None:
    answer = client.post("/Patient", make.patient("mine"))
    id = answer.json()["id"]
    assert answer.status_code == 201
    assert id != "mine"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"http://ehr.test/fhir/Patient/{id}/_history/1"
    assert "last-modified" in answer.headers
    assert server.written == [[f"Patient/{id}"]]


def test_prefer_says_what_comes_back(client: Any, make: Any) -> None:
    assert client.post("/Patient", make.patient(), prefer="return=minimal").content == b""
    told = client.post("/Patient", make.patient(), prefer="return=OperationOutcome")
    assert told.json()["resourceType"] == "OperationOutcome"


def test_update_creates_then_makes_versions_and_history_keeps_all(client: Any, make: Any) -> None:
    assert client.put("/Patient/p1", make.patient()).status_code == 201
    changed = client.put("/Patient/p1", make.patient(gender="female"))
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    assert "gender" not in client.get("/Patient/p1/_history/1").json()
    history = client.get("/Patient/p1/_history").json()
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]
    assert client.get("/Patient/p1/_history/3").status_code == 404


def test_the_same_content_makes_no_version_and_no_event(client: Any, server: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    again = client.put("/Patient/p1", make.patient())
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')
    assert server.written == [["Patient/p1"]]


def test_white_space_is_no_content_but_a_digit_is(client: Any, server: Any, make: Any) -> None:
    def put(body: bytes) -> str:
        return str(client.put("/Basic/b1", body).headers["etag"])

    weight = b'"extension":[{"url":"u","valueDecimal":1.50}]'
    text = b'{"resourceType":"Basic","id":"b1","code":{"text":"a  b"},%s}' % weight
    assert put(text) == 'W/"1"'
    assert put(text.replace(b",", b" ,\n  ")) == 'W/"1"'
    assert put(text.replace(b"1.50", b"1.5")) == 'W/"2"'
    assert put(text.replace(b"a  b", b"a b")) == 'W/"3"'


def test_if_match_refuses_a_stale_version(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    stale = client.put("/Patient/p1", make.patient(gender="male"), if_match='W/"7"')
    assert stale.status_code == 412
    assert client.put("/Patient/p1", make.patient(gender="male"), if_match='W/"1"').status_code == 200


def test_delete_hides_but_keeps(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    assert client.delete("/Patient/p1").status_code == 204
    assert client.delete("/Patient/p1").status_code == 204
    assert client.delete("/Patient/never").status_code == 204
    assert client.get("/Patient/p1").status_code == 410
    assert client.get("/Patient/p1/_history/2").status_code == 410
    assert client.get("/Patient/p1/_history/1").status_code == 200
    assert client.ids("/Patient?family=muster") == []
    assert client.put("/Patient/p1", make.patient()).status_code == 201
    assert client.ids("/Patient?family=muster") == ["p1"]


def test_an_unchanged_resource_is_not_sent_again(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    assert client.get("/Patient/p1", if_none_match='W/"1"').status_code == 304
    assert client.get("/Patient/p1", if_none_match='W/"2"').status_code == 200


def test_an_older_message_never_replaces_a_newer_one(client: Any, server: Any, make: Any) -> None:
    newer = make.patient(gender="female", meta={"lastUpdated": "2026-03-02T10:00:00+01:00"})
    older = make.patient(gender="male", meta={"lastUpdated": "2026-03-02T08:59:59Z"})
    client.put("/Patient/p1", newer)
    answer = client.put("/Patient/p1", older)
    assert answer.json()["gender"] == "female"
    assert client.get("/Patient/p1").json()["gender"] == "female"
    assert client.ids("/Patient?gender=male") == []
    assert len(client.get("/Patient/p1/_history").json()["entry"]) == 2
    client.put("/Patient/p1", older)
    assert len(client.get("/Patient/p1/_history").json()["entry"]) == 2, "a redelivery adds nothing"
    assert server.written == [["Patient/p1"]]


def test_the_newest_stamp_counts_even_when_the_content_was_there_before(client: Any, make: Any) -> None:
    for day, gender in ((1, "male"), (3, "male"), (2, "female")):
        stamp = {"lastUpdated": f"2026-03-0{day}T00:00:00Z"}
        client.put("/Patient/p1", make.patient(gender=gender, meta=stamp))
    assert client.get("/Patient/p1").json()["gender"] == "male"


def test_conditional_create_finds_what_is_there(client: Any, make: Any) -> None:
    known = make.patient(identifier=[{"system": "urn:mrn", "value": "A-1"}])
    first = client.post("/Patient", known, if_none_exist="identifier=urn:mrn|A-1")
    second = client.post("/Patient", known, if_none_exist="identifier=urn:mrn|A-1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    third = client.post("/Patient?identifier=urn:mrn|A-1", known)
    assert (third.status_code, third.json()["id"]) == (200, first.json()["id"]), "as fhirpy sends it"
    client.post("/Patient", known)
    assert client.post("/Patient", known, if_none_exist="identifier=urn:mrn|A-1").status_code == 412
    assert client.post("/Patient", known, if_none_exist="shoe-size=42").status_code == 400


def test_conditional_update_and_delete_mean_the_one_that_fits(client: Any, make: Any) -> None:
    known = make.patient(identifier=[{"system": "urn:mrn", "value": "A-1"}])
    del known["id"]
    created = client.put("/Patient?identifier=urn:mrn|A-1", known)
    changed = client.put("/Patient?identifier=urn:mrn|A-1", {**known, "gender": "female"})
    assert (created.status_code, changed.status_code) == (201, 200)
    assert created.json()["id"] == changed.json()["id"]
    assert client.delete("/Patient?identifier=urn:mrn|A-1").status_code == 204
    assert client.get(f"/Patient/{created.json()['id']}").status_code == 410


def test_validate_tells_everything_and_stores_nothing(client: Any, server: Any, make: Any) -> None:
    fine = client.post("/Patient/$validate", make.patient())
    assert fine.json()["issue"][0]["severity"] == "information"
    wrong = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": make.patient(gender="x")}],
    }
    told = client.post("/Patient/$validate", wrong)
    assert told.status_code == 200
    assert told.json()["issue"][0]["expression"] == ["Patient.gender"]
    assert server.stored() == 0


def test_everything_holds_the_record_the_results_and_what_they_refer_to(
    client: Any, server: Any, make: Any
) -> None:
    doctor = {"resourceType": "Practitioner", "id": "d1"}
    seen = make.observation(performer=[{"reference": "Practitioner/d1"}])
    client.post("", make.transaction(*(make.entry(one) for one in (make.patient(), doctor, seen))))
    client.put("/Patient/p2", make.patient("p2"))
    with server.work() as work:
        work.resources.put_result(
            {
                "resourceType": "DetectedIssue",
                "identifier": [{"system": "https://isodose.example/fhir/NamingSystem/result", "value": "k"}],
                "status": "final",
                "patient": {"reference": "Patient/p1"},
            }
        )
    bundle = client.get("/Patient/p1/$everything").json()
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["Patient", "DetectedIssue", "Observation", "Practitioner"]
    assert client.get("/Patient/nobody/$everything").status_code == 404


def judged(client: Any, path: str, body: Any) -> list[tuple[str, str]]:
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    return [(issue["severity"], issue["code"]) for issue in answer.json()["issue"]]


def asked(**given: Any) -> dict[str, Any]:
    kinds = {"resource": "resource", "mode": "valueCode", "profile": "valueUri"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, kinds[name]: value} for name, value in given.items()],
    }


def test_validate_judges_what_is_meant_to_be_done(client: Any, server: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    before, fine = server.stored(), [("information", "informational")]
    assert judged(client, "/Patient/$validate", asked(resource=make.patient(), mode="create")) == fine
    assert judged(client, "/Patient/p1/$validate", asked(resource=make.patient(), mode="update")) == fine
    other = asked(resource=make.patient("p2"), mode="update")
    assert judged(client, "/Patient/p1/$validate", other) == [("error", "value")]
    assert judged(client, "/Patient/p1/$validate", asked(mode="delete")) == fine
    assert judged(client, "/Observation/$validate", make.patient()) == [("error", "invalid")]
    assert client.post("/Patient/p9/$validate", asked(mode="delete")).status_code == 404
    assert client.post("/Patient/$validate", asked(mode="delete")).status_code == 400
    assert client.post("/Patient/$validate", asked(resource=make.patient(), mode="wish")).status_code == 400
    assert client.post("/Patient/$validate", asked(mode="create")).status_code == 400
    assert server.stored() == before


def test_validate_does_not_pass_by_a_profile_that_it_does_not_know(client: Any, make: Any) -> None:
    base = "http://hl7.org/fhir/StructureDefinition/Patient"
    assert judged(client, f"/Patient/$validate?profile={base}", make.patient())[0][0] == "information"
    elsewhere = asked(resource=make.patient(), profile="https://elsewhere.example/patient")
    assert judged(client, "/Patient/$validate", elsewhere) == [("error", "not-supported")]


def test_everything_is_limited_to_days_of_care_and_paged(client: Any, make: Any) -> None:
    doctor = {"resourceType": "Practitioner", "id": "d1"}
    seen = [
        make.observation(
            f"o{day}", effectiveDateTime=f"2026-03-{day}", performer=[{"reference": "Practitioner/d1"}]
        )
        for day in (10, 11, 12, 13)
    ]
    undated = {"resourceType": "BodyStructure", "id": "b1", "patient": {"reference": "Patient/p1"}}
    client.post("", make.transaction(*(make.entry(r) for r in (make.patient(), doctor, undated, *seen))))
    within = "/Patient/p1/$everything?start=2026-03-11&end=2026-03-12"
    assert client.ids(within) == ["p1", "b1", "o11", "o12", "d1"]
    assert client.ids("/Patient/p1/$everything?end=2026-03-10") == ["p1", "b1", "o10", "d1"]
    pages, url = [], f"{within}&_count=2"
    while url:
        bundle = client.get(url).json()
        assert bundle["total"] == 4
        pages.append([entry["resource"]["id"] for entry in bundle["entry"]])
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links.get("next", "").partition("/fhir")[2]
    assert pages == [["p1", "b1"], ["o11", "o12"], ["d1"]]
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "start", "valueDate": "2026-03-13"},
            {"name": "_type", "valueCode": "Observation"},
        ],
    }
    posted = client.post("/Patient/p1/$everything", body).json()
    assert [entry["resource"]["id"] for entry in posted["entry"]] == ["o13"]
    for wrong in ("start=soon", "_count=-1", "_cursor=nonsense", "_since=x"):
        assert client.get(f"/Patient/p1/$everything?{wrong}").status_code == 400, wrong


def test_the_same_result_is_stored_once_and_its_id_follows_from_its_key(server: Any) -> None:
    key = {"system": "https://isodose.example/fhir/NamingSystem/result", "value": "mri/p1/1"}
    plan = {
        "resourceType": "CarePlan",
        "identifier": [key],
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p1"},
    }
    with server.work() as work:
        first = work.resources.put_result(plan)
        again = work.resources.put_result(plan)
        revoked = work.resources.put_result({**plan, "status": "revoked"})
        assert first.id == again.id == revoked.id
        assert (first.changed, again.changed, revoked.changed) == (True, False, True)
        assert [one.version for one in work.resources.results_of("p1")] == [2]


def test_what_is_the_same_for_every_patient_is_stored_once_and_belongs_to_none(
    client: Any, server: Any
) -> None:
    system = "https://isodose.example/fhir/NamingSystem/result"
    study = {
        "resourceType": "ResearchStudy",
        "id": "trial-1",
        "identifier": [{"system": system, "value": "trial/1"}],
        "status": "active",
    }
    for patient in ("p1", "p2"):
        group = {
            "resourceType": "RequestGroup",
            "identifier": [{"system": system, "value": f"{patient}/options"}],
            "status": "active",
            "intent": "proposal",
            "action": [{"resource": {"reference": "ResearchStudy/trial-1"}}],
        }
        with server.work() as work:
            work.resources.put_results({patient: [group, study]})
            assert [one.type for one in work.resources.results_of(patient)] == ["RequestGroup"]
    assert client.get("/ResearchStudy/trial-1").json()["meta"]["versionId"] == "1"


def test_the_capability_statement_is_valid_and_stays_the_same(client: Any) -> None:
    first, second = client.get("/metadata"), client.get("/metadata")
    assert first.content == second.content
    assert first.json()["fhirVersion"] == "4.0.1"
    assert client.post("/CapabilityStatement/$validate", first.json()).json()["issue"][0]["severity"] == (
        "information"
    )


def test_an_unforeseen_failure_is_a_500_that_tells_nothing(client: Any, server: Any) -> None:
    def fail(_work: Any, _call: Any) -> Any:
        raise RuntimeError("Muster, Eva")

    broken = type(client)(server.app(operations=[Operation(name="$fail", handle=fail)]))
    answer = broken.get("/$fail")
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["code"] == "exception"
    assert "Muster" not in answer.text


def test_if_match_takes_any_version_or_one_of_several(client: Any, make: Any) -> None:
    assert client.put("/Patient/p1", make.patient(), if_match="*").status_code == 412
    client.put("/Patient/p1", make.patient())
    assert client.put("/Patient/p1", make.patient(gender="male"), if_match="*").status_code == 200
    assert client.put("/Patient/p1", make.patient(), if_match='"7", W/"2"').status_code == 200
    assert client.put("/Patient/p1", make.patient(), if_match="3").status_code == 412
    client.delete("/Patient/p1")
    assert client.put("/Patient/p1", make.patient(), if_match="*").status_code == 412


def test_if_none_match_keeps_an_update_from_what_is_there(client: Any, make: Any) -> None:
    assert client.put("/Patient/p1", make.patient(), if_none_match="*").status_code == 201
    other = make.patient(gender="male")
    for tags in ("*", 'W/"1"'):
        answer = client.put("/Patient/p1", other, if_none_match=tags)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (
            412,
            ["Patient.meta.versionId"],
        )
    entry = make.entry(other, ifNoneMatch="*")
    assert client.post("", make.transaction(entry)).status_code == 412
    assert "gender" not in client.get("/Patient/p1").json()
    client.delete("/Patient/p1")
    assert client.put("/Patient/p1", other, if_none_match="*").status_code == 201


def test_a_conditional_create_that_finds_one_says_where_it_is(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient(identifier=[{"system": "urn:mrn", "value": "1"}]))
    condition = {"if_none_exist": "identifier=urn:mrn|1", "prefer": "return=minimal"}
    answer = client.post("/Patient", make.patient(), **condition)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["location"] == "http://ehr.test/fhir/Patient/p1/_history/1"


def test_an_empty_condition_creates_nothing(client: Any, server: Any, make: Any) -> None:
    answer = client.post("/Patient", make.patient(), if_none_exist="")
    assert (answer.status_code, server.stored()) == (400, 0)


def test_whatever_can_be_read_has_headers_alone(client: Any, make: Any) -> None:
    client.put("/Patient/p1", make.patient())
    for path in ("/Patient/p1", "/Patient", "/Patient/p1/_history", "/Patient/_history", "/_history"):
        assert client.send("HEAD", path).status_code == 200, path
