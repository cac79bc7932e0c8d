"""The whole platform on a port of its own, for clients that no one here wrote."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import served
from all_in_one.app import AllInOne
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the platform listens, without /fhir; one sample patient is loaded."""
    port = served.free_port()
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("clients"), port=port, demonstration_day=dt.date(2026, 11, 23)
    )
    whole = AllInOne(settings)
    whole.migrate()
    with served.listening(whole, port) as where:
        sample = (ROOT / "samples" / "patients" / "11-local-change-after-srs.json").read_bytes()
        answer = httpx.post(f"{where}/fhir", content=sample, headers=served.FHIR)
        assert answer.status_code == 200, answer.text
        yield where
