"""Services of today serve and decide while their databases go to the schema of tomorrow, and after it."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from all_in_one.composition import SERVICES
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from next_schema import NEXT, written
from served import FHIR, Client, served

NAMES = ("ehr_ingestion", "are_surveillance")


class Traffic(threading.Thread):
    """New patients one after the other, each read back."""

    def __init__(self, client: Client, bodies: Iterator[bytes]) -> None:
        super().__init__(daemon=True)
        self.enough = threading.Event()
        self.taken = 0
        self.failed: list[httpx.Response] = []
        self._client = client
        self._bodies = bodies

    def run(self) -> None:
        for number, body in enumerate(self._bodies):
            if self.enough.is_set():
                return
            written = self._client.post("/fhir", content=body, headers=FHIR)
            read = self._client.get(f"/fhir/Condition?patient=many-{number}")
            self.failed += [one for one in (written, read) if one.status_code != 200]
            self.taken += 1


def bodies(file: Path) -> Iterator[bytes]:
    text = file.read_text(encoding="utf-8")
    for number in itertools.count():
        yield re.sub(r"demo-\d\d", f"many-{number}", text).encode()


@contextmanager
def services(databases: dict[str, str], events: str) -> Iterator[dict[str, Client]]:
    with ExitStack() as stack:
        clients = {}
        for name, url in databases.items():
            settings = Settings(
                database_url=url, event_log_url=events, demonstration_day=dt.date(2026, 11, 23)
            )
            clients[name] = stack.enter_context(served(build_app(SERVICES[name](settings), settings)))
        yield clients


def decided(clients: dict[str, Client]) -> int:
    answer = clients["are_surveillance"].get("/fhir/Provenance?_summary=count")
    assert answer.status_code == 200
    return int(answer.json()["total"])


@pytest.mark.postgres
def test_a_schema_is_changed_under_services_without_a_failed_request(
    new_postgresql: Callable[[], str], patients: list[Path], tmp_path: Path, serving: ModuleType
) -> None:
    databases, events = {name: new_postgresql() for name in NAMES}, f"sqlite:///{tmp_path / 'events.db'}"
    folder = written(tmp_path / "next", NEXT)
    with services(databases, events) as today:
        traffic = Traffic(today["ehr_ingestion"], bodies(patients[10]))
        traffic.start()
        serving.eventually(lambda: decided(today) >= 2, 60)
        for name in NAMES:
            database = Database(databases[name])
            database.migrate(folder)
            database.dispose()
            assert today[name].get("/readyz").status_code == 200
        migrated, before = traffic.taken, decided(today)
        serving.eventually(lambda: traffic.taken >= migrated + 5 and decided(today) > before, 60)
        traffic.enough.set()
        traffic.join(60)
        assert [one.text for one in traffic.failed] == []

    with services(databases, events) as again:
        one_more = next(bodies(patients[11])).replace(b"many-0", b"one-more")
        assert again["ehr_ingestion"].post("/fhir", content=one_more, headers=FHIR).status_code == 200
        serving.eventually(lambda: decided(again) >= traffic.taken + 1, 90)
        metrics = again["are_surveillance"].get("/metrics").text
        assert 'isodose_dead_letters{service="are_surveillance"} 0.0' in metrics
        assert [again[name].get("/readyz").status_code for name in NAMES] == [200, 200]
