"""ehr_ingestion over a database of the test's own, and messages of an EHR about one patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ehr_ingestion.app import service
from isodose.service import build_app
from isodose.settings import Settings


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    log = f"sqlite:///{tmp_path / 'events.db'}"
    return Settings(database_url=database_url, event_log_url=log, public_url="http://127.0.0.1")


@pytest.fixture
def client(settings: Settings, serving: ModuleType) -> Iterator[Any]:
    with serving.served(build_app(service(settings), settings)) as running:
        yield running


@pytest.fixture
def bundle() -> Callable[..., dict[str, Any]]:
    def make(*resources: dict[str, Any], type: str = "transaction") -> dict[str, Any]:
        entries = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in resources
        ]
        return {"resourceType": "Bundle", "type": type, "entry": entries}

    return make
