"""The same patients posted, told of, pulled and exported end in the same records."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from all_in_one.loading import Item, read_file
from all_in_one.pulling import bulk_pull, pull_all
from ehr_ingestion.app import service
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.registry import EhrSubscription
from ehr_ingestion.pull import EXPORTED, EhrReader
from isodose.clinical.record import PatientRecord
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.records import Records
from served import eventually

SHARED = Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[2] / "../shared"))
SYNTHEA = SHARED / "samples" / "smart-on-fhir-generated-sample-data"
HOST = "https://ehr.example"
EHR = f"{HOST}/fhir"
FHIR = {"content-type": "application/fhir+json"}

pytestmark = pytest.mark.skipif(
    not SYNTHEA.is_dir(), reason=f"no sample data at {SYNTHEA}; set ISODOSE_SHARED to use it"
)


class Ehr(httpx.BaseTransport):
    """A FHIR server in this process that also exports what it holds: a file for each type."""

    def __init__(self, client: Any, items: list[Item]) -> None:
        self.client = client
        self.lines: dict[str, list[bytes]] = {}
        for item in items:
            if item.type in EXPORTED:
                self.lines.setdefault(item.type, []).append(msgspec.json.format(item.raw, indent=-1))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "$export" in request.url.path:
            return httpx.Response(202, headers={"content-location": f"{HOST}/jobs/1"})
        if request.url.path == "/jobs/1":
            output = [{"type": kind, "url": f"{HOST}/files/{kind}"} for kind in self.lines]
            manifest = {
                "transactionTime": "2026-11-20T10:00:00Z",
                "requiresAccessToken": True,
                "output": output,
            }
            return httpx.Response(202) if request.method == "DELETE" else httpx.Response(200, json=manifest)
        if request.url.path.startswith("/files/"):
            return httpx.Response(200, content=b"\n".join(self.lines[request.url.path.rpartition("/")[2]]))
        answer = self.client.get(request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)


def bundles(items: list[Item]) -> Iterator[bytes]:
    """The items as transactions of a few hundred, in the order of the file."""
    for start in range(0, len(items), 300):
        entries = [
            {"resource": msgspec.Raw(item.raw), "request": {"method": "PUT", "url": item.place}}
            for item in items[start : start + 300]
        ]
        yield msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return [item for file in sorted(SYNTHEA.glob("*.json")) for item in read_file(file)]


@pytest.fixture(scope="module")
def patients(items: list[Item]) -> list[str]:
    return sorted(item.id for item in items if item.type == "Patient")


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory, serving: Any, items: list[Item]) -> Iterator[Ehr]:
    settings = _settings(tmp_path_factory.mktemp("ehr"), public_url=HOST)
    with serving.served(build_app(service(settings), settings)) as client:
        for bundle in bundles(items):
            assert client.post("/fhir", content=bundle, headers=FHIR).status_code == 200
        yield Ehr(client, items)


@pytest.fixture(scope="module")
def posted(ehr: Ehr, patients: list[str]) -> dict[str, PatientRecord]:
    """The records of the EHR's own, to which the bundles were posted."""
    found = _records(ehr.client.app.state.settings, patients)
    assert sum(len(record.read) for record in found.values()) > 200
    return found


def _settings(directory: Path, **more: Any) -> Settings:
    settings = Settings(data_dir=directory, **more).for_service("ehr_ingestion", 8001)
    database = Database(settings.database_url)
    database.migrate()
    database.dispose()
    return settings


def _records(settings: Settings, patients: list[str]) -> dict[str, PatientRecord]:
    """Without their versions, which tell how often a record changed on the way."""
    database = Database(settings.database_url)
    with database.read() as conn:
        found = Records(conn).get_many(patients)
    database.dispose()
    return {one: msgspec.structs.replace(record, version=0) for one, record in found.items()}


def _pulled(ehr: Ehr, settings: Settings, patients: list[str], _serving: Any) -> None:
    done = pull_all(EhrReader(EhrClient(EHR, transport=ehr)), EHR, patients, None, settings)
    assert all(not summary.refused for summary in done.values())


def _exported(ehr: Ehr, settings: Settings, _patients: list[str], _serving: Any) -> None:
    report = bulk_pull(EhrClient(HOST, transport=ehr), EHR, ExportRequest(types=EXPORTED), settings)
    assert report.aside == []


def _told(ehr: Ehr, settings: Settings, patients: list[str], serving: Any) -> None:
    """The EHR says that there is something new; who it is about is read there."""
    database = Database(settings.database_url)
    with database.begin() as conn:
        now = dt.datetime.now(dt.UTC)
        hook = EhrSubscription(
            name="facts", criteria="Observation?", topic="", content="empty", created_at=now
        )
        registry.put(conn, hook)
    with serving.served(build_app(service(settings, ehr), settings)) as client:
        answer = client.post("/notifications/facts", content=b"", headers=FHIR)
        assert answer.status_code == 200, answer.text
        eventually(lambda: _all_read(database, patients), 100)
    database.dispose()


def _all_read(database: Database, patients: list[str]) -> bool:
    with database.read() as conn:
        read = conn.exec_driver_sql("SELECT count(*) FROM patient_read").scalar_one()
    return bool(read == len(patients))


@pytest.mark.parametrize("way", [_told, _pulled, _exported], ids=["told", "pulled", "exported"])
def test_each_way_ends_in_the_records_of_those_who_were_posted(
    ehr: Ehr,
    posted: dict[str, PatientRecord],
    patients: list[str],
    tmp_path: Path,
    serving: Any,
    way: Callable[[Ehr, Settings, list[str], Any], None],
) -> None:
    settings = _settings(tmp_path, public_url="http://127.0.0.1", ehr_fhir_url=EHR)
    way(ehr, settings, patients, serving)
    assert _records(settings, patients) == posted
