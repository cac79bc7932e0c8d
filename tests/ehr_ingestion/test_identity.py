"""The same patient under several ids: merged, one record holds what is about all; unmerged, each has its own.

Whatever the order, repetition and batching of the EHR's messages.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import Phase, given
from hypothesis import settings as drawing
from hypothesis import strategies as st
from sqlalchemy import select

from ehr_ingestion.app import service
from ehr_ingestion.following import follow
from isodose.clinical.record import PatientRecord
from isodose.fhir.access import Access, Grant
from isodose.fhir.bundle import process
from isodose.fhir.errors import FhirError
from isodose.fhir.everything import asked, everything
from isodose.fhir.limited import LimitedStore
from isodose.fhir.links import Merge, survivors
from isodose.fhir.resources import parse
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import outbox
from isodose.work import Work, work_at

Json = dict[str, Any]
Send = Callable[..., None]


def person(id: str, stamp: int = 1, **links: str) -> Json:
    """A Patient with links by type, such as replaced_by="b"."""
    listed = [
        {"type": kind.replace("_", "-"), "other": {"reference": f"Patient/{to}"}}
        for kind, to in links.items()
    ]
    found: Json = {
        "resourceType": "Patient", "id": id, "birthDate": f"19{50 + ord(id[0]) - ord('a')}",
        "identifier": [{"system": "urn:mrn", "value": f"MRN-{id}"}], "meta": {"lastUpdated": _stamp(stamp)},
    }  # fmt: skip
    return found | ({"link": listed} if listed else {})


def kps(id: str, of: str, value: int = 80, stamp: int = 1) -> Json:
    code = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}
    return {
        "resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [code]},
        "subject": {"reference": f"Patient/{of}"}, "effectiveDateTime": "2026-11-01", "valueInteger": value,
        "meta": {"lastUpdated": _stamp(stamp)},
    }  # fmt: skip


def _stamp(number: int) -> str:
    return f"2026-11-{number:02}T10:00:00Z"


def _batch(*resources: Json) -> bytes:
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in resources
    ]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _sent(database: Database, *resources: Json) -> None:
    with database.begin() as conn:
        work = work_at("http://127.0.0.1/fhir")(conn)
        follow(work, process(work.resources, parse(_batch(*resources))).written)


@pytest.fixture
def send(database: Database) -> Send:
    return lambda *resources: _sent(database, *resources)


@pytest.fixture
def work(database: Database) -> Iterator[Callable[[], Work]]:
    opened = []

    def open_work() -> Work:
        opened.append(database.engine.connect())
        return work_at("http://127.0.0.1/fhir")(opened[-1])

    yield open_work
    for conn in opened:
        conn.close()


def record(database: Database, id: str) -> PatientRecord | None:
    with database.read() as conn:
        return work_at("http://127.0.0.1/fhir")(conn).records.get(id)


def sources(database: Database, id: str) -> list[str]:
    found = record(database, id)
    return [] if found is None else [fact.source for fact in found.facts]


def stand(database: Database, id: str) -> tuple[str, list[str]]:
    """Who took the patient's place, and what the facts of the record rest on."""
    found = record(database, id)
    return ("", []) if found is None else (found.replaced_by, sources(database, id))


@pytest.mark.parametrize("stated", ["replaced_by", "replaces"])
def test_a_merge_brings_both_records_together_and_an_unmerge_takes_them_apart(
    database: Database, send: Send, stated: str
) -> None:
    send(person("a"), person("b"), kps("ka", "a"), kps("kb", "b"))
    assert [stand(database, one) for one in "ab"] == [("", ["Observation/ka"]), ("", ["Observation/kb"])]

    merged = person("a", 2, replaced_by="b") if stated == "replaced_by" else person("b", 2, replaces="a")
    send(merged)
    both = ["Observation/ka", "Observation/kb"]
    assert [stand(database, one) for one in "ab"] == [("b", []), ("", both)]
    found = record(database, "b")
    assert found is not None
    assert (found.birth_year, found.problems) == (1951, ())
    assert {"Patient/a", "Patient/b", *both} == set(found.read)

    send(kps("kc", "a", 70))
    assert [stand(database, one) for one in "ab"] == [("b", []), ("", [*both, "Observation/kc"])]

    send(person(merged["id"], 3))
    assert [stand(database, one) for one in "ab"] == [
        ("", ["Observation/ka", "Observation/kc"]), ("", ["Observation/kb"])
    ]  # fmt: skip


def test_a_chain_ends_in_one_record_and_each_is_told(database: Database, send: Send) -> None:
    send(person("a"), person("b"), person("c"), kps("ka", "a"), kps("kb", "b"), kps("kc", "c"))
    send(person("a", 2, replaced_by="b"))
    send(person("b", 2, replaced_by="c"))
    assert [stand(database, one)[0] for one in "abc"] == ["c", "c", ""]
    assert sources(database, "c") == ["Observation/ka", "Observation/kb", "Observation/kc"]
    with database.read() as conn:
        last = {
            row.key: orjson.loads(row.value)["data"]
            for row in conn.execute(select(outbox).order_by(outbox.c.seq))
        }
    assert [last[one].get("replaced_by", "") for one in "abc"] == ["c", "c", ""]
    send(person("b", 3))
    assert [stand(database, one)[0] for one in "abc"] == ["b", "", ""]
    assert sources(database, "b") == ["Observation/ka", "Observation/kb"]


def test_a_patient_who_is_to_come_is_waited_for(database: Database, send: Send) -> None:
    send(person("a", replaced_by="b"), kps("ka", "a"))
    assert stand(database, "a") == ("", ["Observation/ka"])
    found = record(database, "a")
    assert found is not None
    assert [problem.code for problem in found.problems] == ["merge-unclear"]
    send(person("b"))
    assert [stand(database, one) for one in "ab"] == [("b", []), ("", ["Observation/ka"])]


@pytest.mark.parametrize("kind", ["refer", "seealso"])
def test_records_that_both_stay_in_use_are_not_brought_together_and_say_so(
    database: Database, send: Send, kind: str
) -> None:
    send(person("a", **{kind: "b"}), person("b"), kps("ka", "a"), kps("kb", "b"))
    assert [stand(database, one) for one in "ab"] == [("", ["Observation/ka"]), ("", ["Observation/kb"])]
    found = record(database, "a")
    assert found is not None
    assert [problem.code for problem in found.problems] == ["other-record"]


def test_everything_and_searches_and_tokens_follow_the_merge(
    database: Database, send: Send, work: Callable[[], Work]
) -> None:
    send(person("a"), person("b"), person("c"), kps("ka", "a"), kps("kb", "b"), kps("kc", "c"))
    send(person("a", 2, replaced_by="b"))
    store = work().resources
    names = lambda store, id: {one.reference for one in everything(store, id, asked({}))[1]}  # noqa: E731
    whole = {"Patient/a", "Patient/b", "Observation/ka", "Observation/kb"}
    assert names(store, "b") == whole
    assert names(store, "a") == {"Patient/a"}

    mine = LimitedStore(store, Access((Grant("*", "cruds", patient="b"),)))
    assert names(mine, "b") == whole
    assert mine.get("Observation", "kc") is None
    assert mine.vread("Observation", "ka", "1").reference == "Observation/ka"
    replaced = LimitedStore(store, Access((Grant("*", "cruds", patient="a"),)))
    assert names(replaced, "a") == {"Patient/a"}
    assert replaced.get("Observation", "ka") is None
    assert replaced.get("Patient", "b") is None


def test_an_old_number_still_finds_what_is_about_the_patient(client: Any) -> None:
    def found(query: str) -> list[str]:
        return [
            entry["resource"]["id"]
            for entry in client.get(f"/fhir/Observation?{query}").json().get("entry", [])
        ]

    for body in (
        _batch(person("a"), person("b"), kps("ka", "a"), kps("kb", "b")),
        _batch(person("a", 2, replaced_by="b")),
    ):
        assert (
            client.post("/fhir", content=body, headers={"content-type": "application/fhir+json"}).status_code
            == 200
        )
    for query in ("patient=b", "patient.identifier=urn:mrn|MRN-a", "patient.identifier=urn:mrn|MRN-b"):
        assert found(query) == ["ka", "kb"], query
    assert found("patient=a") == []


def _by_number(id: str, *, contained: bool = False, **identifier: str) -> Json:
    number = {"system": "urn:mrn", "value": "MRN-a"} | identifier
    if not contained:
        return kps(id, "") | {"subject": {"identifier": number}}
    inside = {"resourceType": "Patient", "id": "p", "identifier": [number]}
    return kps(id, "") | {"contained": [inside], "subject": {"reference": "#p"}}


@pytest.mark.parametrize("contained", [False, True])
def test_a_patient_named_by_a_number_is_found_by_it_in_the_same_request_or_later(
    database: Database, send: Send, contained: bool
) -> None:
    send(_by_number("k1", contained=contained), person("a"), person("b"))
    send(_by_number("k2", contained=contained))
    assert sources(database, "a") == ["Observation/k1", "Observation/k2"]
    send(person("a", 2, replaced_by="b"))
    send(_by_number("k3", contained=contained), _by_number("k4", contained=contained, value="MRN-b"))
    assert sources(database, "b") == [f"Observation/k{n}" for n in (1, 2, 3, 4)]
    with pytest.raises(FhirError, match="No patient has this identifier") as refused:
        send(_by_number("k5", value="MRN-x"))
    assert refused.value.issues[0].expression == ("Bundle.entry[0].resource.subject",)
    twin = person("c") | {"identifier": [{"system": "urn:mrn", "value": "MRN-b"}]}
    with pytest.raises(FhirError, match="More than one patient"):
        send(twin, _by_number("k6", value="MRN-b"))


def test_references_by_the_ehrs_own_address_lead_to_what_is_here(settings: Settings, serving: Any) -> None:
    ehr = "https://ehr.example/r4"
    own = settings.model_copy(update={"ehr_fhir_servers": (ehr,)})
    with serving.served(build_app(service(own), own)) as client:
        client.put("/fhir/Patient/a", json=person("a"))
        spelled = kps("k1", "a") | {"subject": {"reference": f"{ehr}/Patient/a"}}
        assert client.put("/fhir/Observation/k1", json=spelled).status_code == 201
        assert client.get("/fhir/Observation?patient=a").json()["entry"][0]["resource"]["id"] == "k1"


def test_circles_and_two_ways_on_merge_nobody() -> None:
    for links in permutations([Merge("a", "b"), Merge("b", "a"), Merge("c", "a")]):
        assert survivors(links, "abc") == {}
    for links in permutations([Merge("a", "b"), Merge("a", "c")]):
        assert survivors(links, "abc") == {}
    for links in permutations([Merge("a", "b"), Merge("a", "c"), Merge("b", "c")]):
        assert survivors(links, "abc") == {"a": "c", "b": "c"}
    assert survivors([Merge("a", "b"), Merge("b", "c")], "ab") == {"a": "b"}


MESSAGES = (
    person("a"), person("b"), person("c"), person("a", 2, replaced_by="b"), person("a", 4, replaced_by="c"),
    person("b", 3, replaced_by="c"), person("b", 5), person("c", 3, replaces="b"),
    person("c", 6, seealso="b"),
    kps("ka", "a", 80), kps("ka", "a", 70, 2), kps("kb", "b", 60), kps("kb", "c", 60, 3), kps("kc", "c", 50),
)  # fmt: skip
FIRST = tuple(message for message in MESSAGES if message["meta"]["lastUpdated"] == _stamp(1))


def _ended(template: Path, messages: list[Json], cuts: set[int]) -> list[Any]:
    with tempfile.TemporaryDirectory() as directory:
        shutil.copyfile(template, Path(directory) / "ehr.db")
        database = Database(f"sqlite:///{Path(directory) / 'ehr.db'}")
        _sent(database, *(m for m in FIRST if m["resourceType"] == "Patient"))
        batch: list[Json] = []
        for index, message in enumerate(messages):
            if batch and (index in cuts or any(message["id"] == other["id"] for other in batch)):
                _sent(database, *batch)
                batch = []
            batch.append(message)
        _sent(database, *batch)
        with database.read() as conn:
            work = work_at("http://127.0.0.1/fhir")(conn)
            records = [work.records.get(one) for one in "abc"]
            held = [sorted(stored.reference for stored in work.resources.of_patient(one)) for one in "abc"]
            merged = work.identities.survivors("abc")
        database.dispose()
    bare = [msgspec.structs.replace(one, version=0) for one in records if one is not None]
    assert len(bare) == 3
    return [bare, held, merged]


@pytest.mark.timeout(300)
def test_order_repetition_and_batching_change_nothing(sqlite_template: Path) -> None:
    expected = _ended(sqlite_template, list(MESSAGES), set())
    assert expected[2] == {"a": "c"}

    @drawing(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))
    @given(
        messages=st.lists(st.permutations(MESSAGES), min_size=1, max_size=2).map(
            lambda runs: [m for r in runs for m in r]
        ),
        cuts=st.sets(st.integers(0, 2 * len(MESSAGES))),
    )
    def whichever(messages: list[Json], cuts: set[int]) -> None:
        assert _ended(sqlite_template, messages, cuts) == expected

    whichever()
