"""The synthetic patients are valid, self-contained, load twice without change, and are read whole."""

from __future__ import annotations

import csv
import datetime as dt
import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isodose.clinical.derive import as_of
from isodose.fhir.validation import validate
from isodose.mcode import build_record

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "samples" / "patients").glob("*.json"))
TODAY = dt.date(2026, 11, 23)
NOT_READ = ("-hydrocephalus", "-er", "-ldh-", "-creatinine-")
"""No fact of the vocabulary comes from these; they are kept and shown all the same."""


@pytest.fixture(params=FILES, ids=[file.stem for file in FILES])
def bundle(request: pytest.FixtureRequest) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return parsed


def resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"]]


def inside(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict):
        for member, held in value.items():
            if member == name:
                yield held
            yield from inside(held, name)
    elif isinstance(value, list):
        for held in value:
            yield from inside(held, name)


def test_there_is_at_least_a_dozen() -> None:
    assert len(FILES) >= 12


def test_a_bundle_is_a_valid_transaction(bundle: dict[str, Any]) -> None:
    validate(bundle)
    assert bundle["type"] == "transaction"


def test_every_resource_is_valid_for_the_models_too(bundle: dict[str, Any]) -> None:
    for resource in resources(bundle):
        kind = resource["resourceType"]
        model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        model.model_validate(resource)


def test_every_entry_is_a_put_to_its_own_id_so_that_loading_twice_changes_nothing(
    bundle: dict[str, Any],
) -> None:
    urls = [entry["request"]["url"] for entry in bundle["entry"]]
    assert urls == [f"{r['resourceType']}/{r['id']}" for r in resources(bundle)]
    assert len(set(urls)) == len(urls)
    assert {entry["request"]["method"] for entry in bundle["entry"]} == {"PUT"}


def test_every_reference_stays_inside_the_bundle(bundle: dict[str, Any]) -> None:
    here = {f"{r['resourceType']}/{r['id']}" for r in resources(bundle)}
    assert set(inside(bundle, "reference")) <= here


def test_no_date_lies_after_the_day_of_the_demonstration_but_for_what_is_planned(
    bundle: dict[str, Any],
) -> None:
    planned = {"ServiceRequest", "Appointment"}
    for resource in resources(bundle):
        if resource["resourceType"] in planned:
            continue
        for name in (
            "effectiveDateTime",
            "started",
            "authoredOn",
            "performedDateTime",
            "onsetDateTime",
            "end",
        ):
            assert all(day[:10] <= TODAY.isoformat() for day in inside(resource, name)), resource["id"]


def test_every_code_was_verified_in_the_code_tables(bundle: dict[str, Any]) -> None:
    default = ROOT / ".." / "shared"
    folder = Path(os.environ.get("ISODOSE_SHARED", default)) / "clinical" / "codes"
    if not folder.exists():
        pytest.skip(
            "the code tables are not here; set ISODOSE_SHARED to the folder that holds clinical/codes"
        )
    verified = set()
    for table in folder.glob("*.tsv"):
        with table.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t")
            verified |= {(row["system"], row["code"]) for row in rows if row["verified"] == "yes"}
    own = ("https://isodose.example/fhir/CodeSystem/", "http://terminology.hl7.org/CodeSystem/")
    codings = [coding for codings in inside(bundle, "coding") for coding in codings]
    clinical = {(c["system"], c["code"]) for c in codings if not c["system"].startswith(own)}
    assert clinical - verified == set()


def test_the_record_rests_on_every_resource_but_those_no_decision_reads(bundle: dict[str, Any]) -> None:
    record = as_of(build_record(bundle["id"], resources(bundle)), TODAY)
    assert record.patient_id == bundle["id"]
    assert record.birth_year is not None
    here = {f"{r['resourceType']}/{r['id']}" for r in resources(bundle)}
    assert {ref for ref in here - set(record.read) if not any(word in ref for word in NOT_READ)} == set()


def test_nothing_odd_is_noticed_in_them(bundle: dict[str, Any]) -> None:
    record = build_record(bundle["id"], resources(bundle))
    assert [(problem.code, problem.source) for problem in record.problems] == []


def test_no_name_reaches_the_record(bundle: dict[str, Any]) -> None:
    patient = resources(bundle)[0]
    record = build_record(bundle["id"], resources(bundle))
    assert patient["name"][0]["family"] not in repr(record)
