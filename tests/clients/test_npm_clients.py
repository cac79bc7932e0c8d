"""fhir-kit-client and the CDS Hooks client of @medplum/core (npm) do everything they can with this server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from npm.packages import node

HERE = Path(__file__).resolve().parent
DRAFTS = HERE.parents[1] / "samples" / "hooks" / "ici-steroid-sign.json"
pytestmark = pytest.mark.npm


def ran(script: str, *arguments: str) -> Any:
    """What the script prints as JSON."""
    command = [node(), str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_fhir_kit_client_does_everything_it_can(address: str, npm_clients: Path) -> None:
    assert ran("fhir_kit_client.mjs", str(npm_clients), f"{address}/fhir") == {
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


def test_medplum_discovers_prefetches_and_calls_every_cds_service(address: str, npm_clients: Path) -> None:
    said = ran("medplum_cds.mjs", str(npm_clients), address, "demo-11", str(DRAFTS))
    listed = httpx.get(f"{address}/cds-services").json()["services"]
    assert said.keys() == {f"{service['id']} on {service['hook']}" for service in listed}
    assert len(said) > 3
    assert all(answer["complete"] for answer in said.values()), said
    assert all(answer["prefetched"] > 0 for answer in said.values()), said
    assert sum(answer["cards"] for answer in said.values()) > 2, said
