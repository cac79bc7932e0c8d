"""Every resource that the platform emits is valid R4 to HAPI's validator; its warnings are explained."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from all_in_one.app import AllInOne
from hapi.emitted import PUBLISHED, emitted, without_claims
from hapi.validator import Remark, remarks
from isodose.settings import Settings
from maven import CannotRun
from served import served

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "samples"
KEPT = yaml.safe_load((HERE / "kept.yaml").read_text(encoding="utf-8"))
OURS = "https://isodose.example/fhir"
KINDS = (
    "ActivityDefinition", "AuditEvent", "Basic", "Bundle", "CapabilityStatement", "CarePlan", "CodeSystem",
    "DetectedIssue", "GuidanceResponse", "Library", "OperationDefinition", "OperationOutcome", "Parameters",
    "PlanDefinition", "Provenance", "RequestGroup", "ResearchStudy", "RiskAssessment", "SearchParameter",
    "ServiceRequest", "StructureDefinition", "Task", "ValueSet",
)  # fmt: skip
Json = dict[str, Any]
LAUNCH_CONTEXT: Json = {
    "resourceType": "CodeSystem",
    "url": "http://hl7.org/fhir/uv/sdc/CodeSystem/launchContext",
    "version": "3.0.0",
    "status": "active",
    "content": "complete",
    "concept": [{"code": code} for code in ("patient", "encounter", "location", "user", "study")],
}
"""SDC's names of what a form is opened with, which are not among the validator's own definitions.

https://hl7.org/fhir/uv/sdc/STU3/CodeSystem-launchContext.html
"""

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Json]]:
    """What the platform emits, each with where it came from."""
    data_dir = tmp_path_factory.mktemp("platform")
    whole = AllInOne(Settings(data_dir=data_dir, demonstration_day=dt.date(2026, 11, 23)))
    whole.migrate()
    with served(whole, whole.lifespan()) as client:
        return [(source, without_claims(resource)) for source, resource in emitted(client, SAMPLES)]


@pytest.fixture(scope="module")
def said(
    sent: list[tuple[str, Json]], tmp_path_factory: pytest.TempPathFactory, not_here: Callable[[object], None]
) -> list[Remark]:
    """What the validator remarks of them."""
    published = [resource for _, resource in sent if resource["resourceType"] in PUBLISHED]
    definitions = [LAUNCH_CONTEXT, *published]
    try:
        return remarks(sent, definitions, tmp_path_factory.mktemp("definitions"))
    except CannotRun as reason:
        not_here(reason)
        return []


def explains(kept: Json, remark: Remark) -> bool:
    """The kept entry is of the remark's kind and place."""
    place = re.sub(r"\[\d+\]", "", re.sub(r"/\*(\w+)/[^*]*\*/", r"{\1}", remark.where))
    about = "only" not in kept or f"{{{kept['only']}}}" in place or place.startswith(f"{kept['only']}.")
    return kept["kind"] == remark.kind and place.endswith(kept["at"]) and about


def shown(found: list[Remark]) -> str:
    return "\n".join(f"{one.source}: {one.where}: {one.words} ({one.kind})" for one in found[:30])


def test_every_kind_that_is_emitted_is_among_what_is_validated(sent: list[tuple[str, Json]]) -> None:
    assert set(KINDS) <= {resource["resourceType"] for _, resource in sent}


def test_nothing_is_invalid(said: list[Remark]) -> None:
    errors = [one for one in said if one.severity in ("error", "fatal")]
    found = [one for one in errors if not any(explains(kept, one) for kept in KEPT["errors"])]
    assert not found, shown(found)


def test_each_warning_is_explained(said: list[Remark]) -> None:
    warnings = [one for one in said if one.severity == "warning"]
    found = [one for one in warnings if not any(explains(kept, one) for kept in KEPT["warnings"])]
    assert not found, shown(found)


def test_no_explanation_has_outlived_its_remark(said: list[Remark]) -> None:
    listed = [*KEPT["errors"], *KEPT["warnings"]]
    assert not [kept for kept in listed if not any(explains(kept, one) for one in said)]


def test_each_extension_of_ours_is_published(said: list[Remark]) -> None:
    unknown = [one for one in said if one.kind == "Extension_EXT_Unknown"]
    found = [one for one in unknown if "isodose.example" in one.words]
    assert not found, shown(found)


def systems(value: Any) -> Iterator[str]:
    """Every code system that a coding in `value` names."""
    if isinstance(value, dict):
        if "code" in value and isinstance(value.get("system"), str):
            yield value["system"]
        for held in value.values():
            yield from systems(held)
    elif isinstance(value, list):
        for held in value:
            yield from systems(held)


def test_each_code_system_of_ours_is_published_with_its_value_set(sent: list[tuple[str, Json]]) -> None:
    published = {resource["url"] for _, resource in sent if resource["resourceType"] in PUBLISHED}
    used = {url for _, resource in sent for url in systems(resource) if url.startswith(OURS)}
    assert used - published == set()
    assert {url.replace("/CodeSystem/", "/ValueSet/") for url in used} - published == set()
    assert len(used) > 5
