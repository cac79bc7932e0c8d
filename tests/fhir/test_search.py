"""Search finds what the specification says it finds, on either database."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from sqlalchemy import delete

from isodose.fhir.reindexing import reindex
from isodose.storage.tables import search_index

LOINC = "http://loinc.org"


def coded(code: str, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


RECORD_NUMBER = {
    "system": "urn:mrn",
    "value": "X,1",
    "type": {**coded("MR", "http://terminology.hl7.org/CodeSystem/v2-0203"), "text": "Record number"},
}
TOWER = {"resourceType": "Location", "id": "tower", "name": "Tower"}
WARD = {"resourceType": "Location", "id": "ward", "partOf": {"reference": "Location/tower"}}
BED = {"resourceType": "Location", "id": "bed", "partOf": {"reference": "Location/ward"}}
STUDIES = {
    "resourceType": "CodeSystem",
    "id": "studies",
    "url": "http://site.example/CodeSystem/studies",
    "status": "active",
    "content": "complete",
    "concept": [
        {"code": "mri", "concept": [{"code": "brain-mri"}]},
        {"code": "spine-mri", "property": [{"code": "parent", "valueCode": "mri"}]},
        {"code": "ct"},
    ],
}


def procedure(id: str, code: dict[str, Any], **more: Any) -> dict[str, Any]:
    subject = {"reference": "Patient/p1"}
    made = {"resourceType": "Procedure", "id": id, "status": "completed", "subject": subject, "code": code}
    return made | more


@pytest.fixture
def filled(client: Any, make: Any) -> Any:
    people = [
        make.patient("p1", name=[{"family": "Müller", "given": ["Eva"]}], birthDate="1961-05"),
        make.patient("p2", gender="male", identifier=[RECORD_NUMBER]),
    ]
    lesion = {"resourceType": "BodyStructure", "id": "b1", "patient": {"reference": "Patient/p1"}}
    seen = [
        make.observation("a", effectiveDateTime="2026-01-10", code=coded("1-1")),
        make.observation("b", effectiveDateTime="2026-02", code=coded("1-1", "urn:other"), status="amended"),
        make.observation(
            "c",
            effectiveDateTime="2026-03-14T10:00:00Z",
            code=coded("2-2"),
            focus=[{"reference": "BodyStructure/b1"}],
            valueQuantity={"value": 12.5, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"},
        ),
        make.observation(
            "d",
            subject={"reference": "Patient/p2"},
            effectiveDateTime="2025-12-31",
            meta={"source": "urn:feed", "security": [{"system": "urn:labels", "code": "restricted"}]},
        ),
    ]
    include = [
        {"system": LOINC, "concept": [{"code": "1-1"}]},
        {"system": "urn:other"},
    ]
    value_set = {
        "resourceType": "ValueSet",
        "id": "seen",
        "url": "http://site.example/ValueSet/seen",
        "status": "active",
        "compose": {"include": include},
    }
    done = [
        procedure("x", coded("mri", STUDIES["url"]), location={"reference": "Location/tower"}),
        procedure("y", coded("brain-mri", STUDIES["url"]), location={"reference": "Location/bed"}),
        procedure("z", coded("spine-mri", STUDIES["url"]), location={"reference": "Location/ward"}),
        procedure(
            "v",
            {"coding": [{"code": "t", "display": "Tümour resection"}], "text": "Awake craniotomy"},
            subject={"identifier": {"system": "urn:mrn", "value": "X,1"}},
        ),
    ]
    places = [TOWER, WARD, BED, STUDIES]
    sent = [*people, lesion, *seen, value_set, *places, *done]
    answer = client.post("", make.transaction(*(make.entry(one) for one in sent)))
    assert answer.status_code == 200, answer.text
    return client


FOUND = {
    "Observation?_id=a,c": "ac",
    "Observation?patient=p1": "abc",
    "Observation?patient=Patient/p2": "d",
    "Observation?subject=http://ehr.test/fhir/Patient/p2": "d",
    "Observation?subject:Patient=p2": "d",
    "Observation?patient=p1,p2": "abcd",
    "Observation?patient.identifier=urn:mrn|X\\,1": "d",
    "Observation?subject:Patient.name=mueller": "",
    "Observation?subject:Patient.name=muller": "abc",
    "Observation?code=1-1": "ab",
    f"Observation?code={LOINC}|1-1": "a",
    "Observation?code=urn:other|": "b",
    "Observation?code:not=1-1": "cd",
    "Observation?status=amended": "b",
    "Observation?status=final&patient=p1": "ac",
    "Observation?focus=BodyStructure/b1": "c",
    "Observation?focus:missing=false": "c",
    "Observation?focus:missing=true&patient=p1": "ab",
    "Observation?date=2026": "abc",
    "Observation?date=2026-02-14": "",
    "Observation?date=ap2026-02-14": "b",
    "Observation?date=ge2026-02-14": "bc",
    "Observation?date=lt2026-01-10": "d",
    "Observation?date=le2026-01-10": "ad",
    "Observation?date=gt2026-03-14": "",
    "Observation?date=sa2026-02-28&date=eb2026-03-15": "c",
    "Observation?value-quantity=12.5": "c",
    "Observation?value-quantity=12": "",
    "Observation?value-quantity=gt12|http://unitsofmeasure.org|mm": "c",
    "Observation?value-quantity=gt12|http://unitsofmeasure.org|cm": "",
    "Observation?_lastUpdated=gt2026-01-01&_id=a": "a",
    "Observation?_lastUpdated=lt2020": "",
    "Patient?family=MÜLL": "p1",
    "Patient?family:exact=müller": "",
    "Patient?family:exact=Müller": "p1",
    "Patient?name:contains=ull": "p1",
    "Patient?birthdate=1961": "p1",
    "Patient?identifier=urn:mrn|X\\,1": "p2",
    "BodyStructure?patient=p1": "b1",
    "Patient?_has:Observation:patient:status=amended": "p1",
    "Patient?_has:Observation:subject:code=89247-1": "p2",
    "BodyStructure?_has:Observation:focus:code=2-2": "b1",
    "BodyStructure?_has:Observation:focus:code=1-1": "",
    "Observation?focus:BodyStructure.patient.family=Müller": "c",
    "Observation?focus:BodyStructure.patient.gender=male": "",
    "Observation?patient._has:BodyStructure:patient:_id=b1": "abc",
    "Observation?code-value-quantity=2-2$gt12": "c",
    "Observation?code-value-quantity=1-1$gt12": "",
    "Observation?code:in=http://site.example/ValueSet/seen": "ab",
    "Observation?code:not-in=ValueSet/seen&patient=p1": "c",
    "Observation?_source=urn:feed": "d",
    "Observation?_security=urn:labels|restricted": "d",
    "ValueSet?url:below=http://site.example": "seen",
    "ValueSet?url:above=http://site.example/ValueSet/seen/more": "seen",
    "Observation?_lastUpdated:missing=true": "",
    "Observation?_id:not=a,b": "cd",
    "Procedure?code:text=tumour": "v",
    "Procedure?code:text=awake CRAN": "v",
    "Procedure?code:text=resection": "",
    "Patient?identifier:text=record": "p2",
    "Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|X\\,1": "p2",
    "Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|SS|X\\,1": "",
    "Procedure?patient:identifier=urn:mrn|X\\,1": "v",
    "Procedure?subject:identifier=urn:mrn|Y": "",
    "Procedure?code:below=http://site.example/CodeSystem/studies|mri": "xyz",
    "Procedure?code:below=http://site.example/CodeSystem/studies|ct": "",
    "Procedure?code:above=http://site.example/CodeSystem/studies|spine-mri": "xz",
    "Procedure?location:below=Location/ward": "yz",
    "Procedure?location:below=tower": "xyz",
    "Procedure?location:above=Location/ward": "xz",
    "Procedure?patient.identifier:text=record": "v",
}


def test_finds(filled: Any) -> None:
    whole = ("p", "b1", "seen")
    wanted = {query: [one] if one.startswith(whole) else sorted(one) for query, one in FOUND.items()}
    assert {query: sorted(filled.ids(f"/{query}")) for query in FOUND} == wanted


def test_what_means_nothing_here_is_refused_and_never_left_out(filled: Any) -> None:
    for query in (
        "Observation?code:of-type=urn:a|b|c",
        "Patient?identifier:of-type=MR|1",
        "Patient?_id:in=ValueSet/seen",
        "Observation?code:below=1-1",
        "Observation?code:below=http://loinc.org|1-1",
        "Procedure?code:below=http://site.example/CodeSystem/studies|none",
        "Observation?performer:below=1",
        "Observation?focus:below=BodyStructure/b1",
        "Patient?birthdate:exact=1961",
        "Observation?code-value-quantity:missing=true",
        "Patient?name=a%00b",
        "Patient?_id=%00",
        "Observation?subject:Patient.name=%00",
        "Observation?_sort=%00",
    ):
        answer = filled.get(f"/{query}")
        assert answer.status_code == 400, f"{query}: {answer.text}"
        assert answer.json()["issue"][0]["diagnostics"]


def test_a_canonical_is_found_with_and_without_its_version(client: Any, make: Any) -> None:
    said = {"resourceType": "QuestionnaireResponse", "id": "r1", "status": "completed"}
    client.put("/QuestionnaireResponse/r1", {**said, "questionnaire": "http://site.example/form|2.0"})
    for asked, found in (("", ["r1"]), ("|2.0", ["r1"]), ("|2", []), ("s", [])):
        assert client.ids(f"/QuestionnaireResponse?questionnaire=http://site.example/form{asked}") == found


def test_what_was_stored_by_an_older_release_is_found_once_it_is_indexed_anew(
    filled: Any, server: Any
) -> None:
    with server.database.begin() as conn:
        conn.execute(delete(search_index))
    assert filled.ids("/Procedure?code:text=tumour") == []
    assert reindex(server.database, "http://ehr.test/fhir") == len(filled.get("/_history").json()["entry"])
    assert filled.ids("/Procedure?code:text=tumour") == ["v"]
    assert filled.ids("/Procedure?location:below=ward") == ["y", "z"]


def test_sorts_by_date_both_ways(filled: Any) -> None:
    assert filled.ids("/Observation?_sort=date") == ["d", "a", "b", "c"]
    assert filled.ids("/Observation?_sort=-date&_count=2") == ["c", "b"]


def test_pages_cover_all_once(filled: Any) -> None:
    seen: list[str] = []
    url: str | None = "/Observation?_count=3&_sort=_id"
    while url:
        bundle = filled.get(url).json()
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        assert bundle["total"] == 4
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links["next"].removeprefix("http://ehr.test/fhir") if "next" in links else None
    assert seen == ["a", "b", "c", "d"]


def test_counts_without_entries(filled: Any) -> None:
    for query in ("_count=0", "_summary=count"):
        bundle = filled.get(f"/Observation?{query}").json()
        assert (bundle["total"], "entry" in bundle) == (4, False)


def test_what_is_not_understood_is_left_out_of_self_or_refused(filled: Any) -> None:
    bundle = filled.get("/Patient?shoe-size=42&gender=male").json()
    assert bundle["link"][0]["url"] == "http://ehr.test/fhir/Patient?gender=male"
    assert filled.get("/Patient?shoe-size=42", prefer="handling=strict").status_code == 400
    assert filled.get("/Patient?gender:above=male").status_code == 400
    assert filled.get("/Observation?date=yesterday").status_code == 400
    assert filled.get("/Observation?_sort=colour").status_code == 400
    for number in ("-1e400", "0e999999999", "nan", "inf", "1e", "--1", ".", "1" * 5000):
        assert filled.get(f"/Observation?value-quantity={number}").status_code == 400, number
    assert filled.get("/Observation?_has:Flag:shoe:size=1", prefer="handling=strict").status_code == 400
    assert filled.get("/Observation?focus.colour=red", prefer="handling=strict").status_code == 400
    assert filled.get("/Observation?code-value-quantity=1-1").status_code == 400
    assert filled.get("/Observation?code:in=http://nowhere.example").status_code == 400
    assert filled.get("/Observation?_cursor=nonsense").status_code == 400
    forged: list[tuple[str, Any]] = [
        ("Observation?", ["\0"]), ("Observation?", [1]), ("Observation?", []), ("Observation?", {"a": 1}),
        ("Observation?_sort=status&", [1, "a"]), ("Observation?_sort=date&", ["x", "a"]),
        ("Observation?_sort=_lastUpdated&", [1, "a"]), ("Observation?_sort=date&", ["a"]),
        ("_history?", ["2026", "\0", "a", 1]), ("_history?", ["2026", "a", "a", 2**40]),
    ]  # fmt: skip
    for path, place in forged:
        cursor = base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")
        assert filled.get(f"/{path}_cursor={cursor}").status_code == 400, (path, place)
    assert filled.get("/Observation?_include=Flag:patient").status_code == 400


def test_search_by_post_is_the_same_search(filled: Any) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    bundle = filled.post("/Patient/_search?gender=male", b"_id=p2", **form).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["p2"]
    assert filled.post("/Patient/_search", b"{}").status_code == 415


def test_includes_what_is_pointed_to_and_what_points_here(filled: Any) -> None:
    bundle = filled.get("/Observation?_id=c&_include=Observation:focus&_include=Observation:subject").json()
    assert [(e["resource"]["id"], e["search"]["mode"]) for e in bundle["entry"]] == [
        ("c", "match"),
        ("b1", "include"),
        ("p1", "include"),
    ]
    back = filled.get("/BodyStructure?_id=b1&_revinclude=Observation:focus").json()
    assert [e["resource"]["id"] for e in back["entry"]] == ["b1", "c"]


def test_an_update_is_found_by_its_new_values_only(filled: Any, make: Any) -> None:
    filled.put("/Patient/p2", make.patient("p2", gender="female"))
    assert filled.ids("/Patient?gender=male") == []
    assert filled.ids("/Patient?gender=female") == ["p2"]


@pytest.mark.parametrize("sort", ["", "&_sort=-date", "&_sort=status,-_lastUpdated", "&_sort=focus,code"])
def test_what_comes_and_goes_between_pages_neither_hides_nor_repeats(
    sort: str, filled: Any, make: Any
) -> None:
    first = filled.get(f"/Observation?_count=2{sort}").json()
    seen = [entry["resource"]["id"] for entry in first["entry"]]
    filled.put("/Observation/0", make.observation("0", effectiveDateTime="2030-01-01"))
    filled.delete(f"/Observation/{seen[0]}")
    rest = []
    page = first
    while page["link"][-1]["relation"] == "next":
        page = filled.get(page["link"][-1]["url"].removeprefix("http://ehr.test/fhir")).json()
        rest += [entry["resource"]["id"] for entry in page["entry"]]
    assert {"a", "b", "c", "d"} <= set(seen + rest)
    assert len(seen + rest) == len(set(seen + rest))


def test_includes_again_what_was_included_when_it_is_asked_to_iterate(filled: Any) -> None:
    once = "/Observation?_id=c&_include=Observation:focus"
    assert filled.ids(once) == ["c", "b1"]
    again = filled.ids(f"{once}&_include:iterate=BodyStructure:patient")
    assert again == ["c", "b1", "p1"]
    assert filled.ids("/Observation?_id=c&_include=*") == ["c", "b1", "p1"]
    back = filled.ids(
        "/Patient?_id=p1&_revinclude=BodyStructure:patient&_revinclude:iterate=Observation:focus"
    )
    assert back == ["p1", "b1", "c"]
