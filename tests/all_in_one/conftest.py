"""The whole platform in one process, on files of the test's own."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from all_in_one.app import AllInOne
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = Path(os.environ.get("ISODOSE_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    if not (SHARED / "samples").is_dir():
        pytest.skip("the published samples are not here; set ISODOSE_SHARED to the folder that has samples/")
    return SHARED / "samples"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, serving: ModuleType) -> Iterator[Any]:
    """A client of the running platform, whose decision day is fixed; shared by the tests of a module."""
    data_dir = tmp_path_factory.mktemp("platform")
    whole = AllInOne(Settings(data_dir=data_dir, demonstration_day=dt.date(2026, 11, 23)))
    whole.migrate()
    with serving.served(whole, whole.lifespan()) as client:
        yield client
