"""History of one resource, of a type and of everything: newest first, page by page, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def lived(client: Any, make: Any) -> Any:
    client.put("/Patient/p1", make.patient())
    client.put("/Patient/p1", make.patient(gender="female"))
    client.put("/Patient/p2", make.patient("p2"))
    client.put("/Observation/o1", make.observation())
    client.delete("/Observation/o1")
    return client


def all_pages(client: Any, url: str | None) -> list[str]:
    seen: list[str] = []
    while url:
        bundle = client.get(url).json()
        assert bundle["type"] == "history"
        seen += [
            f"{e['request']['method']} {e['fullUrl'].split('/fhir/')[1]}" for e in bundle.get("entry", [])
        ]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links["next"].removeprefix("http://ehr.test/fhir") if "next" in links else None
    return seen


def test_of_everything_holds_every_version_and_deletion(lived: Any) -> None:
    seen = all_pages(lived, "/_history")
    assert sorted(seen) == sorted(
        ["DELETE Observation/o1", "PUT Observation/o1", "PUT Patient/p2", "PUT Patient/p1", "PUT Patient/p1"]
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pages_of_any_size_hold_the_same(count: int, lived: Any) -> None:
    assert all_pages(lived, f"/_history?_count={count}") == all_pages(lived, "/_history")
    assert all_pages(lived, f"/Patient/_history?_count={count}") == all_pages(lived, "/Patient/_history")


def test_of_a_type_holds_that_type_alone(lived: Any) -> None:
    assert sorted(all_pages(lived, "/Patient/_history")) == [
        "PUT Patient/p1",
        "PUT Patient/p1",
        "PUT Patient/p2",
    ]


def test_of_one_is_newest_first_and_says_what_happened(lived: Any) -> None:
    entries = lived.get("/Observation/o1/_history").json()["entry"]
    assert [entry["response"]["status"] for entry in entries] == ["204", "201"]
    assert "resource" not in entries[0]


def test_since_and_at_limit_the_time(lived: Any) -> None:
    assert all_pages(lived, "/_history?_since=2100-01-01") == []
    assert len(all_pages(lived, "/_history?_since=2020-01-01T00:00:00Z")) == 5
    assert all_pages(lived, "/_history?_at=2020") == []
    assert lived.get("/_history?_since=yesterday").status_code == 400
    assert lived.get("/_history?_cursor=nonsense").status_code == 400
    assert lived.get("/_history?colour=red", prefer="handling=strict").status_code == 400


def test_of_what_never_was_is_404(client: Any) -> None:
    assert client.get("/Patient/nobody/_history").status_code == 404
    assert client.get("/Telepathy/_history").status_code == 404


def test_at_gives_the_versions_that_held_then(lived: Any) -> None:
    first, last = (lived.get(f"/Patient/p1/_history/{n}").json()["meta"]["lastUpdated"] for n in (1, 2))
    gone = lived.get("/Observation/o1/_history").json()["entry"][0]["response"]["lastModified"]
    assert all_pages(lived, f"/Patient/p1/_history?_at={first}")[-1:] == ["PUT Patient/p1"]
    assert len(all_pages(lived, f"/Patient/p1/_history?_at={last}")) == 1
    assert lived.get(f"/Patient/p1/_history?_at={last}").json()["entry"][0]["resource"]["gender"] == "female"
    assert all_pages(lived, "/Patient/p1/_history?_at=2100") == ["PUT Patient/p1"]
    assert all_pages(lived, f"/Observation/_history?_at={gone}") == ["DELETE Observation/o1"]
