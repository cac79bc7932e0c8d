"""Public sample data is valid, or refused with a reason that names the place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from isodose.fhir.validation import issues

SHARED = Path(os.environ.get("ISODOSE_SHARED", Path(__file__).parents[2] / "../shared"))
SAMPLES = SHARED / "samples"
SOURCES = ("hl7-codex-radiation-therapy", "mcode-", "smart-on-fhir")

# What is wrong in the samples themselves: the number of resources refused, by file.
REFUSED = {
    "patient_data.json": 10,
    "assessmentBundle.json": 3,
    "diseaseBundle.json": 8,
    "genomicsBundle.json": 5,
    "outcomeBundle.json": 3,
    "treatmentBundle.json": 8,
    "csv-condition-bundle.json": 1,
    "csv-medication-request-bundle.json": 1,
    "surgical-radiation-procedure-bundle.json": 1,
}


def sample_files() -> list[Path]:
    return [
        path
        for path in sorted(SAMPLES.rglob("*.json"))
        if path.relative_to(SAMPLES).as_posix().startswith(SOURCES)
    ]


def resources(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in data["entry"]] if data["resourceType"] == "Bundle" else [data]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data at {SAMPLES}; set ISODOSE_SHARED to use it")
@pytest.mark.parametrize("path", sample_files(), ids=lambda path: path.name)
def test_every_resource_is_valid_or_refused_with_a_reason(path: Path) -> None:
    refused = 0
    for resource in resources(orjson.loads(path.read_bytes())):
        errors = [issue for issue in issues(resource) if issue.severity == "error"]
        assert all(issue.expression and issue.diagnostics for issue in errors)
        refused += bool(errors)
    assert refused == REFUSED.get(path.name, 0)
