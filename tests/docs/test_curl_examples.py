"""Every curl and Python block of the documentation is run and answers what its last line says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITTEN_FOR = "http://127.0.0.1:8000"
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


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Everything in one process of its own, with the sample patient that the examples speak of."""
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is not there", pytrace=False)
        pytest.skip("curl is not there")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("platform")
    own = {name: value for name, value in os.environ.items() if not name.startswith("ISODOSE_")}
    own |= {"ISODOSE_DATA_DIR": str(data), "ISODOSE_DEMONSTRATION_DAY": "2026-11-23"}
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "all_in_one", "up", "--port", str(port)], env=own, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url, data / "log")
        posted = httpx.post(
            f"{url}/fhir",
            content=SAMPLE.read_bytes(),
            headers={"content-type": "application/fhir+json"},
            timeout=30,
        )
        assert posted.status_code == 200, posted.text
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"not ready: {log.read_text()[-2000:]}", pytrace=False)


@pytest.mark.parametrize(("command", "status", "phrase"), EXAMPLES)
def test_the_example_answers_what_the_page_says(command: str, status: str, phrase: str, address: str) -> None:
    shown = command.replace("curl ", "curl -sS -w '\\n%{http_code}' ", 1).replace(WRITTEN_FOR, address)
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
    program: str, phrase: str, address: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", program.replace(WRITTEN_FOR, address)]
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
