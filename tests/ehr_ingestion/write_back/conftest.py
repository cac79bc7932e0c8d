"""ehr_ingestion that writes results to an EHR of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from databases import database_url as database_url  # noqa: PLC0414 (a fixture)
from ehr_ingestion.app import service
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.write_back.writing import WriteBack
from isodose.events.jobs import Job
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from results_at_ehr import EHR, PATIENT, TYPES, Ehr, Json, decided, results, settled


@pytest.fixture
def ehr(at_the_ehr: Any) -> Ehr:
    played = Ehr(at_the_ehr)
    played.put(PATIENT)
    return played


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        event_log_url=f"sqlite:///{tmp_path / 'events.db'}",
        public_url="http://127.0.0.1",
        ehr_fhir_url=EHR,
        ehr_requests_per_minute=0,
        write_back_types=TYPES,
    )


@pytest.fixture
def client(settings: Settings, ehr: Ehr, serving: Any) -> Iterator[Any]:
    with serving.served(build_app(service(settings, ehr), settings)) as running:
        assert running.put("/fhir/Patient/p1", json=PATIENT).status_code == 201
        yield running


@pytest.fixture
def tell(client: Any, database: Database, serving: Any) -> Callable[..., None]:
    """Fold a decision in, and wait until its results are at the EHR or were refused there."""

    def told(version: int, resources: list[Json]) -> None:
        running = client.app.state.running
        with running.transaction() as work:
            fold_guidance(work, [decided(version, resources)], write_back=True)
        serving.eventually(lambda: settled(database))

    return told


@pytest.fixture
def fold(client: Any) -> Callable[..., None]:
    """Fold a decision in; nobody brings it to the EHR yet."""
    versions = iter(range(1, 100))

    def folded(**issue: Any) -> None:
        with client.app.state.running.transaction() as work:
            fold_guidance(work, [decided(next(versions), [results(**issue)[-1]])], write_back=False)

    return folded


@pytest.fixture
def write(client: Any, ehr: Ehr) -> Callable[[], None]:
    """Bring the results to the EHR once, as one job does."""
    written = WriteBack(client.app.state.running, EhrClient(EHR, dict, ehr, attempts=1), TYPES)
    return lambda: written.write(Job("write-back", "p1", 1, 0))
