"""The worklist over HTTP: before services that the tests speak for, and before the platform itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from all_in_one.app import AllInOne
from isodose.service import build_app
from isodose.settings import Settings
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


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of the running platform with the demonstration's patients, once all are decided on."""
    spec = importlib.util.spec_from_file_location("served", ROOT / "tests" / "served.py")
    assert spec is not None
    assert spec.loader is not None
    serving = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serving)
    settings = Settings(data_dir=tmp_path_factory.mktemp("worklist"), demonstration_day=dt.date(2026, 11, 23))
    whole = AllInOne(settings)
    whole.migrate()
    files = sorted((ROOT / "samples" / "patients").glob("*.json"))
    with serving.served(whole, whole.lifespan()) as client:
        for file in files:
            answer = client.post("/fhir", content=file.read_bytes(), headers=serving.FHIR)
            assert answer.status_code == 200, answer.text
        decided = ("/eligibility/fhir/GuidanceResponse", "/surveillance/fhir/CarePlan")
        serving.eventually(
            lambda: client.get(f"{decided[0]}?_summary=count").json()["total"] == len(files), 60
        )
        serving.eventually(lambda: client.get(f"{decided[1]}?_summary=count").json()["total"] >= 5, 60)
        yield client
