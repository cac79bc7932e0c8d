"""A Subscription of ours is made at the EHR once, looked after while it lives, and taken away."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.registering import (
    WATCH,
    WATCH_EVERY,
    Registrar,
    secrets_in,
    watching,
)
from ehr_ingestion.notifications.registry import EhrSubscription
from isodose.events.jobs import Job, LaterError
from isodose.security.gate import GateError
from isodose.storage.database import Database

Json = dict[str, Any]
EHR = "https://ehr.example/fhir"


class Ehr:
    """Keeps the Subscriptions that it is sent; `status` is what it makes of them."""

    def __init__(self) -> None:
        self.kept: dict[str, Json] = {}
        self.status = "active"
        self.answers: list[httpx.Response] = []
        self.sent: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/fhir/")
        self.sent.append((request.method, path))
        if self.answers:
            return self.answers.pop(0)
        if request.method == "POST":
            path = f"Subscription/s{len(self.kept) + 1}"
        elif path not in self.kept:
            return httpx.Response(404)
        if request.method == "DELETE":
            del self.kept[path]
            return httpx.Response(204)
        if request.method == "GET":
            return httpx.Response(200, json=self.kept[path] | {"status": self.status})
        created = path not in self.kept
        self.kept[path] = json.loads(request.read())
        where = {"location": f"{EHR}/{path}/_history/1"}
        return httpx.Response(201 if created else 200, headers=where)


@pytest.fixture
def ehr() -> Ehr:
    return Ehr()


@pytest.fixture
def opened(new_sqlite: Callable[[], str]) -> Iterator[Database]:
    database = Database(new_sqlite())
    yield database
    database.dispose()


@pytest.fixture
def registrar(ehr: Ehr, opened: Database) -> Registrar:
    client = EhrClient(EHR, transport=httpx.MockTransport(ehr), attempts=1)
    return Registrar(client, opened, "https://isodose.example", "a-long-enough-secret")


def asked(**more: Any) -> EhrSubscription:
    wanted = {"name": "chart", "criteria": "Observation?category=laboratory", **more}
    return EhrSubscription(created_at=dt.datetime.now(dt.UTC), **wanted)


def test_a_search_of_r4_is_asked_for_with_the_secret_and_no_payload(registrar: Registrar, ehr: Ehr) -> None:
    made = registrar.create(asked())
    assert made.reference == "Subscription/s1"
    assert ehr.kept["Subscription/s1"] == {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Isodose keeps its record of patients with brain metastases up to date",
        "criteria": "Observation?category=laboratory",
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://isodose.example/notifications/chart",
            "header": ["Authorization: Bearer a-long-enough-secret"],
        },
    }


def test_a_topic_is_asked_for_with_its_filters_and_how_much_is_to_be_told(
    registrar: Registrar, ehr: Ehr
) -> None:
    topic = "https://ehr.example/SubscriptionTopic/chart"
    registrar.create(asked(topic=topic, criteria="Patient?_id=p1\nPatient?active=true"))
    made = ehr.kept["Subscription/s1"]
    assert made["criteria"] == topic
    filters = [one["valueString"] for one in made["_criteria"]["extension"]]
    assert filters == ["Patient?_id=p1", "Patient?active=true"]
    assert made["channel"]["_payload"]["extension"] == [
        {
            "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
            "valueCode": "id-only",
        }
    ]
    assert made["channel"]["payload"] == "application/fhir+json"


def test_to_create_it_again_changes_the_one_that_is_there(registrar: Registrar, ehr: Ehr) -> None:
    registrar.create(asked())
    registrar.create(asked(criteria="Condition?"))
    assert [one["criteria"] for one in ehr.kept.values()] == ["Condition?"]
    assert ehr.kept["Subscription/s1"]["id"] == "s1"


def test_one_that_the_ehr_lost_is_made_again(registrar: Registrar, ehr: Ehr) -> None:
    made = registrar.create(asked())
    ehr.kept.clear()
    assert registrar.renew(made).reference == "Subscription/s1"
    assert ehr.sent == [("POST", "Subscription"), ("PUT", "Subscription/s1"), ("POST", "Subscription")]


def test_a_refusal_is_told_and_what_was_asked_for_stays_registered(
    registrar: Registrar, ehr: Ehr, opened: Database
) -> None:
    ehr.answers = [httpx.Response(403)]
    with pytest.raises(EhrAwayError, match="403"):
        registrar.create(asked())
    with opened.read() as conn:
        assert [one.name for one in registry.listed(conn)] == ["chart"]


def test_it_is_taken_away_at_the_ehr_and_here(registrar: Registrar, ehr: Ehr, opened: Database) -> None:
    registrar.remove(registrar.create(asked()))
    assert ehr.kept == {}
    with opened.read() as conn:
        assert registry.listed(conn) == []


@pytest.mark.parametrize(("status", "renewed"), [("active", False), ("off", True), ("error", True)])
def test_one_that_the_ehr_turned_off_is_activated_again(
    registrar: Registrar, ehr: Ehr, opened: Database, status: str, renewed: bool
) -> None:
    registrar.create(asked())
    ehr.status = status
    watch = watching(SimpleNamespace(database=opened), registrar)[WATCH]  # type: ignore[arg-type]
    again = watch(Job(WATCH, "chart", 1, 0))
    assert (ehr.sent[-1] == ("PUT", "Subscription/s1")) == renewed
    assert again is not None
    assert again - dt.datetime.now(dt.UTC) > WATCH_EVERY - dt.timedelta(minutes=1)


def test_an_ehr_that_is_away_is_asked_later(registrar: Registrar, ehr: Ehr, opened: Database) -> None:
    registrar.create(asked())
    ehr.answers = [httpx.Response(503)]
    watch = watching(SimpleNamespace(database=opened), registrar)[WATCH]  # type: ignore[arg-type]
    with pytest.raises(LaterError):
        watch(Job(WATCH, "chart", 1, 0))


@pytest.mark.parametrize(
    ("content", "taken"), [("", False), ("short", False), ("a-long-enough-secret\n", True)]
)
def test_a_secret_has_a_length(tmp_path: Path, content: str, taken: bool) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    if taken:
        assert secrets_in(file) == (b"a-long-enough-secret",)
    else:
        with pytest.raises(GateError, match="secret"):
            secrets_in(file)
