"""The whole platform on a port of its own, for clients that no one here wrote."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from all_in_one.app import AllInOne
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the platform listens, without /fhir; one sample patient is loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("clients"), port=port, demonstration_day=dt.date(2026, 11, 23)
    )
    whole = AllInOne(settings)
    whole.migrate()
    server = uvicorn.Server(uvicorn.Config(whole, host="127.0.0.1", port=port, log_level="error", ws="none"))
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    where = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    sample = (ROOT / "samples" / "patients" / "11-local-change-after-srs.json").read_bytes()
    answer = httpx.post(f"{where}/fhir", content=sample, headers={"content-type": "application/fhir+json"})
    assert answer.status_code == 200, answer.text
    yield where
    server.should_exit = True
    running.join(10)
