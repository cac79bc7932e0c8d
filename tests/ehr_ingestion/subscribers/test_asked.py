"""A Subscription is taken or refused as it comes in; it tells no secret, nor what its asker may not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from ehr_ingestion.subscribers import registry
from isodose.fhir.access import Access, Grant
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.erasure import erase
from served import FHIR
from subscriber import TOPIC, Hook, Json, events, issue, kind_of, plain, subscribed, topical

# What may not be asked for


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"criteria": "Observation?code=x"}, "criteria"),
        ({"criteria": "DetectedIssue?shoe-size=1"}, "criteria"),
        ({"criteria": "DetectedIssue?_count=1"}, "criteria"),
        ({"criteria": "DetectedIssue?identified=soon"}, "criteria"),
        ({"criteria": "DetectedIssue?code:in=ValueSet/nowhere"}, "criteria"),
        ({"criteria": "https://other.example/topic"}, "criteria"),
        ({"status": "error"}, "status"),
        ({"channel": {"type": "email"}}, "channel.type"),
        ({"channel": {"endpoint": "https://169.254.169.254/latest"}}, "channel.endpoint"),
        ({"channel": {"endpoint": "https://hooks.example.evil.example/"}}, "channel.endpoint"),
        ({"channel": {"endpoint": "https://hooks.example@evil.example/"}}, "channel.endpoint"),
        ({"channel": {"endpoint": "https://hooks.example:8443/"}}, "channel.endpoint"),
        ({"channel": {"endpoint": "http://hooks.example/"}}, "channel.endpoint"),
        ({"channel": {"endpoint": "file:///etc/passwd"}}, "channel.endpoint"),
        ({"channel": {"header": ["Host: evil.example"]}}, "channel.header[0]"),
        ({"channel": {"header": ["X: a\r\nY: b"]}}, "channel.header[0]"),
        ({"channel": {"header": ["Authorization: ********"]}}, "channel.header"),
        ({"channel": {"payload": "application/fhir+xml"}}, "channel.payload"),
    ],
)
def test_what_cannot_be_done_is_refused(client: Any, change: Json, where: str) -> None:
    asked = plain("DetectedIssue?severity=high")
    asked["channel"] |= change.get("channel", {})
    asked |= {name: value for name, value in change.items() if name != "channel"}
    answer = client.put("/fhir/Subscription/s1", json=asked)
    assert answer.status_code == 422
    assert f"Subscription.{where}" in [path for one in answer.json()["issue"] for path in one["expression"]]
    assert client.get("/fhir/Subscription/s1").status_code == 404


def test_a_topic_needs_to_say_how_much_is_told(client: Any) -> None:
    asked = topical()
    del asked["channel"]["_payload"]
    assert client.put("/fhir/Subscription/s1", json=asked).status_code == 422


# Secrets and rights


def test_a_header_is_never_read_back_in_any_way(
    client: Any, serving: Any, hook: Hook, settings: Settings
) -> None:
    made = client.request(
        "POST",
        "/fhir/Subscription",
        content=orjson.dumps(topical()),
        headers=FHIR | {"prefer": "return=representation"},
    )
    where = f"/fhir/Subscription/{made.json()['id']}"
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": topical(), "request": {"method": "PUT", "url": "Subscription/s1"}}],
    }
    answers = [
        made,
        client.post("/fhir", json=bundle, headers=FHIR | {"prefer": "return=representation"}),
        *(client.get(path) for path in (where, "/fhir/Subscription", f"{where}/_history", "/fhir/_history")),
        *(client.get(f"{where}/_history/{version}") for version in (1, 2)),
        client.get("/fhir/AuditEvent"),
        client.get(f"{where}/$status"),
    ]
    assert all(answer.status_code in (200, 201, 404) for answer in answers)
    assert not any("very-secret" in answer.text for answer in answers)
    assert client.get(where).json()["channel"]["header"] == ["Authorization: ********"]
    with Database(settings.database_url).read() as conn:
        kept = conn.exec_driver_sql("SELECT body FROM resource_version").scalars().all()
    assert not any("very-secret" in body for body in kept)


def test_a_patch_keeps_the_secret_that_it_does_not_see(client: Any, hook: Hook, serving: Any) -> None:
    subscribed(client, topical(), serving)
    hook.told.clear()
    patch = b'[{"op": "replace", "path": "/reason", "value": "another"}]'
    answer = client.request(
        "PATCH",
        "/fhir/Subscription/s1",
        content=patch,
        headers={"content-type": "application/json-patch+json"},
    )
    assert answer.status_code == 200
    serving.eventually(lambda: hook.told)
    assert hook.told[0].headers["authorization"] == "Bearer very-secret"


def test_a_secret_is_not_sent_to_another_origin_than_it_was_given_for(
    client: Any, hook: Hook, serving: Any, settings: Settings
) -> None:
    subscribed(client, topical(), serving)
    shown = client.get("/fhir/Subscription/s1").json()
    moved = shown | {"channel": shown["channel"] | {"endpoint": "https://other.example/"}}
    answer = client.put("/fhir/Subscription/s1", json=moved)
    assert answer.status_code == 422
    assert "send the header whole" in answer.text


GRANTS = {
    "alerts of everybody": [Grant("DetectedIssue", "rs")],
    "one patient": [Grant("DetectedIssue", "rs", "p2"), Grant("Patient", "rs", "p2")],
    "high ones": [Grant("DetectedIssue", "rs", None, (("severity", "high"),))],
    "other types": [Grant("Task", "rs")],
}


@pytest.mark.parametrize(
    ("granted", "focus", "context"),
    [
        ("alerts of everybody", set(), {"a1", "a2", "b1"}),
        ("one patient", {"p2"}, {"b1"}),
        ("high ones", set(), {"a1", "b1"}),
        ("other types", set(), set()),
    ],
)
def test_nothing_is_told_that_the_asker_might_not_read(
    client: Any,
    hook: Hook,
    decide: Callable[..., None],
    serving: Any,
    granted: str,
    focus: set[str],
    context: set[str],
) -> None:
    client.app.access = Access((Grant("Subscription", "cruds"), *GRANTS[granted]))
    subscribed(client, topical("full-resource"), serving)
    decide(issue("a1"), issue("a2", severity="low"), issue("b1", "p2"))
    if context:
        serving.eventually(lambda: hook.bundles("event-notification"))
    found = hook.bundles("event-notification")
    named = [one for bundle in found for one in events(bundle)]
    assert {one["focus"].rpartition("/")[2] for one in named if "focus" in one} == focus
    assert {c.rpartition("/")[2] for one in named for c in one["context"]} == context
    brought = {e["resource"]["id"] for bundle in found for e in bundle["entry"][1:]}
    assert brought == focus | context


def test_what_a_patients_token_asked_for_stays_with_the_patient_whoever_changes_it(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    client.app.access = Access((Grant("*", "cruds", "p1"),))
    subscribed(client, topical("full-resource"), serving)
    client.app.access = Access((Grant("*", "cruds"),))
    changed = client.get("/fhir/Subscription/s1").json() | {"reason": "another", "status": "requested"}
    subscribed(client, changed, serving)
    decide(issue("b1", "p2"), issue("a1", "p1"))
    serving.eventually(lambda: hook.bundles("event-notification"))
    told = [one for bundle in hook.bundles("event-notification") for one in events(bundle)]
    assert [one["focus"].rpartition("/")[2] for one in told] == ["p1"]
    assert not any(b"DetectedIssue/b1" in request.content for request in hook.told)
    everything = client.get("/fhir/Patient/p1/$everything").json()["entry"]
    assert {one["resource"]["resourceType"] for one in everything} == {"Patient", "DetectedIssue"}


def test_erasing_the_patient_erases_what_was_asked_for_with_their_token(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    client.app.access = Access((Grant("*", "cruds", "p1"),))
    subscribed(client, topical(), serving)
    decide(issue("a1", "p1"))
    serving.eventually(lambda: hook.numbers() == [1])
    with client.running.transaction() as work:
        work.records.lock("p1")
        erase(work.conn, "p1")
        assert registry.get(work.conn, "s1") is None
        assert registry.events(work.conn, "s1", 1, 9, 9) == []


# Operations


def test_events_are_told_again_to_who_asks_and_may(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, topical(), serving)
    for number in range(3):
        decide(issue(detail=str(number)))
    serving.eventually(lambda: hook.numbers() == [1, 2, 3])
    answer = client.get("/fhir/Subscription/s1/$events?eventsSinceNumber=2&eventsUntilNumber=3")
    assert [one["event-number"] for one in events(answer.json())] == ["2", "3"]
    assert kind_of(answer.json()) == "query-event"
    less = client.get("/fhir/Subscription/s1/$events?content=full-resource").json()
    assert len(less["entry"]) == 1, "no more than the subscription was given"
    client.app.access = Access((Grant("Subscription", "r"),))
    assert all("focus" not in one for one in events(client.get("/fhir/Subscription/s1/$events").json()))
    client.app.access = Access((Grant("Task", "rs"),))
    assert client.get("/fhir/Subscription/s1/$events").status_code == 403


def test_the_status_of_one_and_of_all(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, topical(), serving)
    decide(issue())
    one = client.get("/fhir/Subscription/s1/$status").json()
    [told] = [entry["resource"]["parameter"] for entry in one["entry"]]
    assert {"name": "status", "valueCode": "active"} in told
    assert {"name": "events-since-subscription-start", "valueString": "1"} in told
    for query, many in (("", 1), ("?id=s1", 1), ("?id=other", 0), ("?status=active", 1), ("?status=off", 0)):
        assert client.get(f"/fhir/Subscription/$status{query}").json()["total"] == many
    client.app.access = Access((Grant("Task", "rs"),))
    assert client.get("/fhir/Subscription/$status").status_code == 403


def test_the_topic_and_the_operations_are_told(client: Any) -> None:
    (rest,) = client.get("/fhir/metadata").json()["rest"]
    [told] = [one for one in rest["resource"] if one["type"] == "Subscription"]
    assert {one["name"] for one in told["operation"]} >= {"status", "events"}
    [topic] = [
        e["valueCanonical"] for e in told["extension"] if e["url"].endswith("-subscriptiontopic-canonical")
    ]
    assert topic == TOPIC
