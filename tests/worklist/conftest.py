"""The worklist over HTTP: before services that the tests speak for, and before the platform itself."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from all_in_one.app import AllInOne
from isodose.service import build_app
from isodose.settings import Settings
from served import FHIR, eventually, served
from worklist.app import service

Answer = Callable[[httpx.Request], httpx.Response]
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def get() -> Callable[[str, Answer], httpx.Response]:
    """Asks a page of a worklist whose upstream services are `answer`."""

    def ask(path: str, answer: Answer) -> httpx.Response:
        settings = Settings(demonstration_day=dt.date(2026, 11, 23))
        app = build_app(service(settings, httpx.MockTransport(answer)), settings)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://worklist") as client:
                return await client.get(path)

        return asyncio.run(send())

    return ask


@contextmanager
def _running(data_dir: Path, files: Sequence[Path]) -> Iterator[Any]:
    """A client of the running platform with these patients, once all are decided on."""
    settings = Settings(data_dir=data_dir, demonstration_day=dt.date(2026, 11, 23))
    whole = AllInOne(settings)
    whole.migrate()
    with served(whole, whole.lifespan()) as client:
        for file in files:
            answer = client.post("/fhir", content=file.read_bytes(), headers=FHIR)
            assert answer.status_code == 200, answer.text
        for path, many in (
            ("/eligibility/fhir/GuidanceResponse", len(files)),
            ("/surveillance/fhir/CarePlan", 1),
        ):
            eventually(lambda: client.get(f"{path}?_summary=count").json()["total"] >= many, 60)  # noqa: B023
        yield client


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The running platform with the demonstration's patients."""
    files = sorted((ROOT / "samples" / "patients").glob("*.json"))
    with _running(tmp_path_factory.mktemp("worklist"), files) as client:
        eventually(lambda: client.get("/surveillance/fhir/CarePlan?_summary=count").json()["total"] >= 5, 60)
        yield client


@pytest.fixture(scope="module")
def one_patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The running platform with the patient demo-11 alone, once there are alerts."""
    made = tmp_path_factory.mktemp("one-patient")
    with _running(made, [ROOT / "samples" / "patients" / "11-local-change-after-srs.json"]) as client:
        eventually(lambda: client.get("/alerts/fhir/DetectedIssue?_summary=count").json()["total"], 60)
        yield client
