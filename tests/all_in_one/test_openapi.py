"""Each service's OpenAPI document names every route that is there, and no other."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from all_in_one.app import AllInOne
from all_in_one.composition import PREFIXES
from isodose.service import described
from isodose.settings import Settings
from served import Client, served

OWN = {
    "ehr_ingestion": "/notifications/{name}/{type}/{id}",
    "eligibility_scoring": "/fhir/$trials",
    "are_surveillance": "/fhir/$calendar",
    "ici_steroid_alerts": "/fhir/{type}/{id}/$answer",
    "worklist": "/worklist/Patient/{patient_id}/board",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> AllInOne:
    """With every route there can be; it is not started."""
    made = AllInOne(
        Settings(data_dir=tmp_path_factory.mktemp("routes"), ehr_fhir_url="http://127.0.0.1:9/fhir")
    )
    made.migrate()
    return made


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("openapi"), demonstration_day=dt.date(2026, 11, 23))
    started = AllInOne(settings)
    started.migrate()
    with served(started, started.lifespan()) as running:
        yield running


def documented(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def routed(app: FastAPI) -> set[tuple[str, str]]:
    routes = iter_route_contexts(app.routes)
    return {(method, str(route.path_format)) for route in routes for method in route.methods or ()}


@pytest.mark.parametrize("name", OWN)
def test_every_route_is_described_and_nothing_else(whole: AllInOne, name: str) -> None:
    app = whole.apps[name]
    document = described(app, whole.settings[name])
    assert documented(document) == routed(app)
    assert OWN[name] in document["paths"]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            named = {one["name"] for one in told.get("parameters", ()) if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), (method, path)
            assert told["summary"], (method, path)
            assert told["responses"], (method, path)


def test_every_reference_of_a_document_is_to_something_in_it(client: Client) -> None:
    for prefix in dict.fromkeys(PREFIXES.values()):
        document = client.get(f"{prefix}/openapi.json").json()
        for where in set(re.findall(r"'\$ref': '#/([\w/]+)'", str(document))):
            held = document
            for step in where.split("/"):
                held = held[step]


def test_the_document_of_the_whole_names_what_is_reached_under_the_one_address(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for prefix in ("", "/eligibility", "/surveillance", "/alerts"):
        assert f"{prefix}/fhir/{{type}}/{{id}}" in paths
    ids = paths["/cds-services/{service_id}"]["post"]["parameters"][0]["schema"]["enum"]
    assert set(ids) == {one["id"] for one in client.get("/cds-services").json()["services"]}
    assert {"/worklist", "/patient-record/{patient_id}/{version}"} <= paths.keys()


def test_a_closed_service_says_so_and_what_is_open_all_the_same(whole: AllInOne) -> None:
    app, settings = whole.apps["are_surveillance"], whole.settings["are_surveillance"]
    document = described(app, settings.model_copy(update={"auth": "smart"}))
    assert document["security"] == [{"accessToken": []}]
    assert "accessToken" in document["components"]["securitySchemes"]
    assert document["paths"]["/fhir/metadata"]["get"]["security"] == []
    assert "security" not in document["paths"]["/fhir/{type}"]["get"]
