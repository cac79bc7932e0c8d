"""Every curl and Python block of the documentation is run and answers what its last line says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import httpx
import orjson
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

import served
from all_in_one.command import app as command_line
from isodose.fhir.rest import fhir_router, install_error_handlers
from isodose.fhir.store import ResourceStore
from isodose.storage.database import Database

ROOT = Path(__file__).resolve().parents[2]
WRITTEN_FOR, EHR_WRITTEN_FOR, HOOK_WRITTEN_FOR = "http://127.0.0.1:8000", "http://127.0.0.1:8080", "8090"
SAMPLE = ROOT / "samples/patients/11-local-change-after-srs.json"
BLOCK = re.compile(r"^```bash curl\n(.*?)\n# (\S{3}): ?([^\n]*)\n```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^```bash curl$", re.MULTILINE)
PYTHON = re.compile(r"^```python run\n(.*?)\n# prints: ([^\n]*)\n```$", re.MULTILINE | re.DOTALL)
PAGES = sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = [
    pytest.param(*found.groups(), id=f"{page.stem}-{number}")
    for page in PAGES
    for number, found in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1)
]

PROGRAMS = [
    pytest.param(*found.groups(), id=f"{page.stem}-{number}")
    for page in PAGES
    for number, found in enumerate(PYTHON.finditer(page.read_text(encoding="utf-8")), 1)
]


class Where(NamedTuple):
    """Where the platform, its EHR and a subscriber listen in this run."""

    platform: str
    ehr: str
    hook: str

    def said(self, example: str) -> str:
        """The example with these addresses."""
        pairs = zip((WRITTEN_FOR, EHR_WRITTEN_FOR, HOOK_WRITTEN_FOR), self, strict=True)
        for written, here in pairs:
            example = example.replace(written, here)
        return example


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[str]:
    """A FHIR server that plays the EHR: our API without a service behind it, with the sample patient."""
    path = tmp_path_factory.mktemp("ehr") / "ehr.db"
    shutil.copyfile(sqlite_template, path)
    database, port = Database(f"sqlite:///{path}"), served.free_port()
    base = f"http://127.0.0.1:{port}/fhir"

    @contextmanager
    def work() -> Iterator[SimpleNamespace]:
        with database.begin() as conn:
            yield SimpleNamespace(conn=conn, resources=ResourceStore(conn, base))

    app = FastAPI()
    install_error_handlers(app)
    app.include_router(fhir_router(work, base=base, title="An EHR"))
    entries = orjson.loads(SAMPLE.read_bytes())["entry"]
    [patient] = [one["resource"] for one in entries if one["resource"]["resourceType"] == "Patient"]
    with served.listening(app, port) as url:
        assert httpx.put(f"{base}/Patient/{patient['id']}", json=patient).status_code == 201
        yield url
    database.dispose()


def _load(url: str) -> None:
    sent = httpx.post(f"{url}/fhir", content=SAMPLE.read_bytes(), headers=served.FHIR, timeout=60)
    assert sent.status_code == 200, sent.text


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, ehr: str) -> Iterator[Where]:
    """Everything in one process of its own, with the sample patient that the examples speak of."""
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is not there", pytrace=False)
        pytest.skip("curl is not there")
    port, hook = served.free_port(), served.free_port()
    data = tmp_path_factory.mktemp("platform")
    own = {name: value for name, value in os.environ.items() if not name.startswith("ISODOSE_")}
    own |= {
        "ISODOSE_DATA_DIR": str(data),
        "ISODOSE_DEMONSTRATION_DAY": "2026-11-23",
        "ISODOSE_EHR_FHIR_URL": f"{ehr}/fhir",
        "ISODOSE_WRITE_BACK_TYPES": "DetectedIssue",
        "ISODOSE_SUBSCRIBER_ORIGINS": f"http://127.0.0.1:{hook}",
    }
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "all_in_one", "up", "--port", str(port)], env=own, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url, data / "log")
        _load(url)
        for name, told in (("feed", ["--criteria", "Observation?"]), ("chart", ["--topic", f"{ehr}/chart"])):
            given = ["subscriptions", "create", name, *told, "--content", "full-resource", "--by-hand"]
            ran = CliRunner().invoke(command_line, given, env=own)
            assert ran.exit_code == 0, ran.output
        yield Where(url, ehr, str(hook))
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 100
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"not ready: {log.read_text()[-2000:]}", pytrace=False)


@pytest.mark.parametrize(("command", "status", "phrase"), EXAMPLES)
def test_the_example_answers_what_the_page_says(
    command: str, status: str, phrase: str, address: Where
) -> None:
    shown = address.said(command.replace("curl ", "curl -sS -w '\\n%{http_code}' ", 1))
    until = time.monotonic() + 15
    while True:
        done = subprocess.run(["bash", "-euc", shown], cwd=ROOT, capture_output=True, text=True, check=False)
        body, _, code = done.stdout.rpartition("\n")
        if re.fullmatch(status, code) and phrase in body:
            return
        if time.monotonic() > until:
            pytest.fail(f"{code} {body[:1000]} {done.stderr}", pytrace=False)
        time.sleep(0.2)


@pytest.mark.parametrize(("program", "phrase"), PROGRAMS)
def test_the_program_prints_what_the_page_says(
    program: str, phrase: str, address: Where, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", address.said(program)]
    until = time.monotonic() + 15
    while True:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if done.returncode == 0 and phrase in done.stdout:
            return
        if time.monotonic() > until:
            pytest.fail(f"{done.stdout[:1000]} {done.stderr[-1000:]}", pytrace=False)
        time.sleep(0.2)


def test_every_python_block_says_what_it_prints() -> None:
    marked = sum(page.read_text(encoding="utf-8").count("```python run\n") for page in PAGES)
    assert marked == len(PROGRAMS) > 1


def test_every_curl_block_says_what_it_answers() -> None:
    marked = sum(len(MARK.findall(page.read_text(encoding="utf-8"))) for page in PAGES)
    assert marked == len(EXAMPLES) > 0
