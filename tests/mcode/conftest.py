"""The sample files, which are not part of this repository."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    root = Path(__file__).resolve().parents[2]
    directory = (root / os.environ.get("ISODOSE_SHARED", "../shared")).resolve() / "samples"
    if not directory.is_dir():
        pytest.skip("The sample files are not here; set ISODOSE_SHARED to the directory that holds samples/")
    return directory


@pytest.fixture(scope="session")
def brain_metastases_example(shared: Path) -> Callable[[], list[dict[str, Any]]]:
    """The resources of the CodeX example patient XRTS-05, fresh for each caller."""
    folder = shared / "hl7-codex-radiation-therapy" / "json"
    return lambda: [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*XRTS-05*.json"))
    ]
