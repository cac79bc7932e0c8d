"""Same record, same knowledge, same day: the same bytes, in any process and any order of resources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import datetime as dt, pathlib, random, sys
import orjson
from all_in_one.composition import DECIDING, SERVICES
from isodose.assessment import decide
from isodose.clinical import finding, record
from isodose.mcode import build_record, resources_of
from isodose.settings import Settings

deciders = [SERVICES[name](Settings()).decider for name in DECIDING]
shuffle = random.Random(int(sys.argv[1])).shuffle
for file in sys.argv[2:]:
    resources = resources_of(orjson.loads(pathlib.Path(file).read_bytes()))
    patient = next(r["id"] for r in resources if r["resourceType"] == "Patient")
    shuffle(resources)
    built = build_record(patient, resources, 1)
    sys.stdout.buffer.write(record.encode(built))
    for decider in deciders:
        decided = decide(decider, built, dt.date(2026, 11, 23))
        sys.stdout.buffer.write(finding.encode(decided.findings) + orjson.dumps(decided.resources))
"""


def _decided(seed: str, files: list[Path]) -> bytes:
    command = [sys.executable, "-c", PROGRAM, seed, *map(str, files)]
    return subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
    ).stdout


@pytest.mark.processes
def test_a_decision_repeats_byte_for_byte(patients: list[Path]) -> None:
    first, second = _decided("1", patients), _decided("2", patients)
    assert len(first) > 100_000
    assert first == second
