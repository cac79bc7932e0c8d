"""`_summary`, `_elements`, `_pretty`, `_total`: less is given when less is asked for, and it says so."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def filled(client: Any, make: Any) -> Any:
    told = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Eva</div>'}
    client.put("/Patient/p1", make.patient(text=told, gender="female", maritalStatus={"text": "x"}))
    client.put("/Observation/o1", make.observation(valueQuantity={"value": 1.5}, note=[{"text": "n"}]))
    return client


def members(resource: dict[str, Any]) -> set[str]:
    assert {"code": "SUBSETTED"}.items() <= resource["meta"]["tag"][-1].items()
    return set(resource) - {"resourceType", "id", "meta"}


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/Patient/p1?_summary=true", {"name", "gender"}),
        ("/Patient/p1?_summary=text", {"text"}),
        ("/Patient/p1?_summary=data", {"name", "gender", "maritalStatus"}),
        ("/Patient/p1?_elements=maritalStatus,Patient.gender", {"maritalStatus", "gender"}),
        ("/Observation/o1?_elements=value", {"status", "code", "valueQuantity"}),
        (
            "/Observation/o1?_summary=true",
            {"status", "code", "subject", "effectiveDateTime", "valueQuantity"},
        ),
    ],
)
def test_keeps_what_was_asked_for_and_what_must_be(path: str, kept: set[str], filled: Any) -> None:
    assert members(filled.get(path).json()) == kept


def test_shapes_the_matches_of_a_search_and_of_everything(filled: Any) -> None:
    for path in (
        "/Observation?_elements=status",
        "/Patient/p1/$everything?_type=Observation&_elements=status",
    ):
        bundle = filled.get(path).json()
        observation = next(e["resource"] for e in bundle["entry"] if e["resource"]["id"] == "o1")
        assert members(observation) == {"status", "code"}


def test_false_is_the_whole_and_nonsense_is_refused(filled: Any) -> None:
    assert "note" in filled.get("/Observation/o1?_summary=false").json()
    assert filled.get("/Observation/o1?_summary=most").status_code == 400


def test_pretty_indents(filled: Any) -> None:
    assert b'\n  "resourceType"' in filled.get("/Patient/p1?_pretty=true").content


def test_total_is_counted_or_left_out(filled: Any) -> None:
    assert filled.get("/Patient?_total=accurate").json()["total"] == 1
    assert "total" not in filled.get("/Patient?_total=none").json()
    assert filled.get("/Patient?_total=many").status_code == 400


def test_a_search_by_post_is_shaped_by_its_form(filled: Any) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    (entry,) = filled.post("/Observation/_search", b"_elements=status", **form).json()["entry"]
    assert members(entry["resource"]) == {"status", "code"}
    assert filled.post("/Observation/_search", b"_format=xml", **form).status_code == 406
