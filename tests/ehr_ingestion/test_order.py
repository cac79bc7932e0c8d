"""Any order, repetition and batching of the same EHR messages ends in the same record and findings."""

import datetime as dt
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import orjson
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ehr_ingestion.patient_records import rebuild, touched
from ici_steroid_alerts import knowledge
from ici_steroid_alerts.decision import decide
from isodose.clinical import finding, record
from isodose.fhir.bundle import process
from isodose.fhir.resources import parse
from isodose.storage.database import Database
from isodose.work import work_at

Json = dict[str, Any]
ON = dt.date(2026, 11, 23)
FACT = "https://isodose.example/fhir/CodeSystem/fact"
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "gender": "female"}


def _kps(value: int, stamp: str, id: str = "k", status: str = "final") -> Json:
    return {
        "resourceType": "Observation",
        "id": id,
        "meta": {"lastUpdated": stamp},
        "status": status,
        "code": {"coding": [{"system": FACT, "code": "kps"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-01",
        "valueInteger": value,
    }


def _drug(id: str, name: str, code: str, stamp: str, status: str) -> Json:
    concept = {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}],
        "text": name,
    }
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "meta": {"lastUpdated": stamp},
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": concept,
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-10-20",
    }


MESSAGES = (
    _kps(90, "2026-11-01T10:00:00Z"),
    _kps(70, "2026-11-02T10:00:00Z"),
    _kps(70, "2026-11-03T10:00:00+01:00", status="entered-in-error"),
    _kps(60, "2026-11-03T09:30:00Z", "k2"),
    _drug("d1", "pembrolizumab", "1547545", "2026-11-01T08:00:00Z", "active"),
    _drug("d1", "pembrolizumab", "1547545", "2026-11-05T08:00:00Z", "stopped"),
    _drug("d2", "dexamethasone", "3264", "2026-11-04T08:00:00Z", "active"),
)
orders = st.lists(st.permutations(MESSAGES), min_size=1, max_size=2).map(
    lambda runs: [m for run in runs for m in run]
)


def _ended(template: Path, messages: list[Json], cuts: set[int]) -> tuple[bytes, bytes, list[bytes]]:
    """The record, the findings and the resources after `messages`, sent in bundles cut at `cuts`."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copyfile(template, Path(directory) / "ehr.db")
        database = Database(f"sqlite:///{Path(directory) / 'ehr.db'}")
        for batch in [[PATIENT], *_cut(messages, cuts)]:
            with database.begin() as conn:
                work = work_at("http://127.0.0.1/fhir")(conn)
                written = process(work.resources, parse(orjson.dumps(_bundle(batch)))).written
                rebuild(work, touched(written))
        with database.read() as conn:
            work = work_at("http://127.0.0.1/fhir")(conn)
            found = work.records.get("p1")
            stored = [_without_version(one.resource()) for one in work.resources.of_patient("p1")]
        database.dispose()
    assert found is not None
    bare = msgspec.structs.replace(found, version=0)
    return record.encode(bare), finding.encode(decide(bare, knowledge.load(()), ON)), stored


def _cut(messages: list[Json], cuts: set[int]) -> list[list[Json]]:
    """Bundles in the order of the messages, none with two messages about one resource."""
    batches: list[list[Json]] = []
    for index, message in enumerate(messages):
        is_same = batches and any(message["id"] == other["id"] for other in batches[-1])
        if not batches or index in cuts or is_same:
            batches.append([])
        batches[-1].append(message)
    return batches


def _bundle(resources: list[Json]) -> Json:
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _without_version(resource: Json) -> bytes:
    return orjson.dumps({name: value for name, value in resource.items() if name != "meta"})


def test_order_repetition_and_batching_change_nothing(sqlite_template: Path) -> None:
    expected = _ended(sqlite_template, list(MESSAGES), set())

    @settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))
    @given(messages=orders, cuts=st.sets(st.integers(0, 2 * len(MESSAGES))))
    def whichever(messages: list[Json], cuts: set[int]) -> None:
        assert _ended(sqlite_template, messages, cuts) == expected

    whichever()
