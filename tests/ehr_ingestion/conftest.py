"""ehr_ingestion over a database of the test's own, and messages of an EHR about one patient."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ehr_ingestion.app import service
from isodose.service import build_app
from isodose.settings import Settings


@pytest.fixture(scope="session")
def defined_template(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, serving: ModuleType
) -> Path:
    """A database in which ehr_ingestion has stored its definitions, which is most of what a start costs."""
    directory = tmp_path_factory.mktemp("defined")
    path = directory / "template.db"
    shutil.copyfile(sqlite_template, path)
    log = f"sqlite:///{directory / 'events.db'}"
    settings = Settings(database_url=f"sqlite:///{path}", event_log_url=log)
    with serving.served(build_app(service(settings), settings)):
        pass
    return path


@pytest.fixture
def new_defined(defined_template: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes a database of the test's own in which the definitions are stored, and returns its URL."""

    def make() -> str:
        path = tmp_path / f"{secrets.token_hex(6)}.db"
        shutil.copyfile(defined_template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    log = f"sqlite:///{tmp_path / 'events.db'}"
    return Settings(database_url=database_url, event_log_url=log, public_url="http://127.0.0.1")


@pytest.fixture
def client(settings: Settings, serving: ModuleType) -> Iterator[Any]:
    with serving.served(build_app(service(settings), settings)) as running:
        yield running


@pytest.fixture
def at_the_ehr(tmp_path: Path, new_defined: Callable[[], str], serving: ModuleType) -> Iterator[Any]:
    """A FHIR server of our own that plays the EHR at https://ehr.example/fhir."""
    log = f"sqlite:///{tmp_path / 'ehr-events.db'}"
    settings = Settings(database_url=new_defined(), event_log_url=log, public_url="https://ehr.example")
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
