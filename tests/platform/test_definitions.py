"""What the platform adds to R4 is published where it is used: valid, listed, and found by its address."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import ehr_ingestion.app
import ici_steroid_alerts.app
from isodose.fhir.validation import issues
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database

BASE = "https://isodose.example/fhir"
PUBLISHED = ("StructureDefinition", "CodeSystem", "ValueSet", "SearchParameter", "OperationDefinition")


@pytest.fixture(
    scope="module", params=[ehr_ingestion.app, ici_steroid_alerts.app], ids=lambda app: app.__name__
)
def base(request: Any, tmp_path_factory: pytest.TempPathFactory, serving: ModuleType) -> Iterator[Any]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("defined"))
    made = request.param.service(settings)
    database = Database(settings.for_service(made.name, made.port).database_url)
    database.migrate()
    database.dispose()
    with serving.served(build_app(made, settings)) as client:
        yield client


def published(base: Any, kind: str) -> list[dict[str, Any]]:
    bundle = base.get(f"/fhir/{kind}?_count=500").json()
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_each_definition_is_valid_and_found_by_its_address(base: Any) -> None:
    seen = [one for kind in PUBLISHED for one in published(base, kind)]
    assert seen
    for one in seen:
        assert not [issue for issue in issues(one) if issue.severity == "error"], one["url"]
        found = base.get(f"/fhir/{one['resourceType']}", params={"url": one["url"]}).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == [one["id"]], one["url"]


def test_what_the_statement_names_of_our_own_is_there(base: Any) -> None:
    (rest,) = base.get("/fhir/metadata").json()["rest"]
    named = {one["definition"] for one in rest["operation"]}
    for resource in rest["resource"]:
        named |= {one["definition"] for one in resource.get("operation", [])}
        named |= {one["definition"] for one in resource.get("searchParam", []) if "definition" in one}
    ours = {url for url in named if url.startswith(BASE)}
    there = {
        one["url"] for kind in ("SearchParameter", "OperationDefinition") for one in published(base, kind)
    }
    assert ours == there


def test_the_words_of_each_base_are_those_it_uses(base: Any) -> None:
    systems = {one["id"]: one for one in published(base, "CodeSystem")}
    if "fact" in systems:
        concepts = {one["code"]: one for one in systems["fact"]["concept"]}
        assert concepts["kps"]["definition"].startswith("Karnofsky")
        sets = {one["id"] for one in published(base, "ValueSet")}
        assert {"fact", "fact-value", "corticosteroids", "immune-checkpoint-inhibitors"} <= sets
    else:
        codes = [one["code"] for one in systems["catalogue"]["concept"]]
        assert "SUP-STER-ici-10mg" in codes


def test_a_value_set_serves_a_search(base: Any) -> None:
    url = f"{BASE}/ValueSet/corticosteroids"
    if published(base, "ValueSet") and any(one["url"] == url for one in published(base, "ValueSet")):
        assert base.get("/fhir/MedicationRequest", params={"code:in": url}).status_code == 200
