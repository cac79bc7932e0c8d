"""The worklist over HTTP: before services that the tests speak for, and before the platform itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from all_in_one.app import AllInOne
from isodose.service import build_app
from isodose.settings import Settings
from served import FHIR, eventually, free_port, listening, served
from worklist.app import service
from worklist.handlers import keep_conclusions, place_patients
from worklist_browser import OpenPage
from worklist_services import Services

DAY = dt.date(2026, 11, 23)
ROOT = Path(__file__).resolve().parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def get(new_sqlite: Callable[[], str], tmp_path: Path) -> Callable[[str, Services], httpx.Response]:
    """Asks a page of a worklist whose upstream services are `services`, once they have told all they know."""

    def ask(path: str, services: Services) -> httpx.Response:
        settings = Settings(demonstration_day=DAY, data_dir=tmp_path, database_url=new_sqlite())
        app = build_app(service(settings, httpx.MockTransport(services)), settings)
        running = app.state.running
        with running.transaction() as work:
            place_patients(work, services.records())
            keep_conclusions(work, services.conclusions())

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://worklist") as client:
                return await client.get(path)

        try:
            return asyncio.run(send())
        finally:
            running.log.close()
            running.database.dispose()

    return ask


def _load(client: Any, files: Sequence[Path], plans: int = 1) -> None:
    """The patients in these files, once all are decided on; as many as `plans` have been irradiated."""
    for file in files:
        answer = client.post("/fhir", content=file.read_bytes(), headers=FHIR)
        assert answer.status_code == 200, answer.text
    for path, many in (
        ("/eligibility/fhir/GuidanceResponse", len(files)),
        ("/surveillance/fhir/CarePlan", plans),
    ):
        eventually(lambda: client.get(f"{path}?_summary=count").json()["total"] >= many, 60)  # noqa: B023


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the platform listens, with the demonstration's patients, once all are decided on.

    All tests of this folder read it. One that writes does so about a patient of its own.
    """
    port = free_port()
    made = tmp_path_factory.mktemp("worklist")
    whole = AllInOne(Settings(data_dir=made, demonstration_day=DAY, port=port))
    whole.migrate()
    with listening(whole, port) as where, httpx.Client(base_url=where, timeout=30) as client:
        _load(client, sorted((ROOT / "samples" / "patients").glob("*.json")), plans=5)
        yield where


@pytest.fixture(scope="module")
def own_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a platform of the module's own listens, with the patient demo-11 alone, for tests that write."""
    port = free_port()
    whole = AllInOne(Settings(data_dir=tmp_path_factory.mktemp("own"), demonstration_day=DAY, port=port))
    whole.migrate()
    with listening(whole, port) as where, httpx.Client(base_url=where, timeout=30) as client:
        _load(client, [ROOT / "samples" / "patients" / "11-local-change-after-srs.json"])
        eventually(lambda: client.get("/alerts/fhir/DetectedIssue?_summary=count").json()["total"], 60)
        yield where


@pytest.fixture(scope="session")
def platform(address: str) -> Iterator[httpx.Client]:
    """A client of the running platform with the demonstration's patients."""
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def one_patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The running platform with the patient demo-11 alone, once there are alerts."""
    whole = AllInOne(Settings(data_dir=tmp_path_factory.mktemp("one-patient"), demonstration_day=DAY))
    whole.migrate()
    with served(whole, whole.lifespan()) as client:
        _load(client, [ROOT / "samples" / "patients" / "11-local-change-after-srs.json"])
        eventually(lambda: client.get("/alerts/fhir/DetectedIssue?_summary=count").json()["total"], 60)
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a screen.

    Of each module its own: Playwright keeps a loop running in this thread while it lives, and other tests
    run loops of their own.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser here: install Debian's package chromium, or put {BROWSERS} on the PATH")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    """Both themes, one after the other."""
    theme: str = request.param
    return theme


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Opens a path of the platform: `open_page("/worklist", theme="dark", width=375)`.

    A test fails where a page said anything in the console: a refused script, style or answer shows there.
    """
    opened: list[tuple[BrowserContext, list[str]]] = []

    def open_(path: str, theme: str = "light", width: int = 1280) -> Page:
        context = browser.new_context(
            base_url=address, color_scheme=theme, viewport={"width": width, "height": 900}
        )
        said: list[str] = []
        context.on("console", lambda message: said.append(message.text))
        opened.append((context, said))
        page = context.new_page()
        page.goto(path)
        return page

    yield open_
    for context, _ in opened:
        context.close()
    assert [text for _, said in opened for text in said] == []
