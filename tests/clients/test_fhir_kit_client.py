"""fhir-kit-client (npm) does everything it can with this server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HOW = (
    "npm install --ignore-scripts --prefix DIR fhir-kit-client@2.0.3, "
    "then set ISODOSE_NODE_MODULES=DIR/node_modules"
)


@pytest.mark.npm
def test_everything_it_can_do(address: str) -> None:
    modules, node = os.environ.get("ISODOSE_NODE_MODULES", ""), shutil.which("node")
    if node is None or not (Path(modules) / "fhir-kit-client").is_dir():
        pytest.skip(f"fhir-kit-client is not here: {HOW}")
    script = Path(__file__).with_name("fhir_kit_client.mjs")
    ran = subprocess.run(
        [node, str(script), modules, f"{address}/fhir"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "version": "4.0.1",
        "read": "Kit",
        "updated": "2",
        "patched": "other",
        "history": 3,
        "typeHistory": "history",
        "systemHistory": "history",
        "vread": "1",
        "pages": [2, 2],
        "posted": 1,
        "batch": "batch-response",
        "transaction": "transaction-response",
        "everything": "Bundle",
        "gone": 410,
    }
