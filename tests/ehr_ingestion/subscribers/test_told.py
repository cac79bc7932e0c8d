"""Who subscribed is told of new results: what was asked for, in order, with nothing lost on the way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from databases import both
from ehr_ingestion.notifications.reading import read
from ehr_ingestion.subscribers import delivering, registry
from isodose.events import jobs
from subscriber import BACKPORT, HOOK, Hook, events, issue, parameters, plain, subscribed, topical

# The backport


@both
def test_after_a_handshake_events_come_numbered_in_order_and_once(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, topical(), serving)
    [handshake] = hook.bundles("handshake")
    assert parameters(handshake)[-1] == {"name": "events-since-subscription-start", "valueString": "0"}
    for number in range(4):
        decide(issue(detail=str(number)))
        decide(issue(detail=str(number)))
    serving.eventually(lambda: hook.numbers() == [1, 2, 3, 4])
    [event] = events(hook.bundles("event-notification")[0])[:1]
    assert event["focus"] == "http://127.0.0.1/fhir/Patient/p1"
    assert event["context"] == ["http://127.0.0.1/fhir/DetectedIssue/a1"]
    assert {request.headers["authorization"] for request in hook.told} == {"Bearer very-secret"}
    assert all(len(one["entry"]) == 1 for one in hook.bundles("event-notification"))


@pytest.mark.parametrize(
    ("content", "focus", "entries"), [("empty", False, 0), ("id-only", True, 0), ("full-resource", True, 2)]
)
def test_as_much_is_told_as_was_asked_for(
    client: Any,
    hook: Hook,
    decide: Callable[..., None],
    serving: Any,
    content: str,
    focus: bool,
    entries: int,
) -> None:
    subscribed(client, topical(content), serving)
    decide(issue())
    serving.eventually(lambda: hook.numbers() == [1])
    [bundle] = hook.bundles("event-notification")
    assert ("focus" in events(bundle)[0]) == focus
    assert [e["resource"]["resourceType"] for e in bundle["entry"][1:]] == ["Patient", "DetectedIssue"][
        :entries
    ]
    told = read(orjson.dumps(bundle), "http://127.0.0.1/fhir", 1_000_000)
    assert told.numbers == (1,), "what is sent is what is taken"


def test_a_heartbeat_comes_when_there_was_nothing_to_tell(
    client: Any, hook: Hook, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ehr_ingestion.subscribers.asking.SHORTEST_HEARTBEAT_S", 0)
    period = {"heartbeat-period": {"valueUnsignedInt": 1}}
    subscribed(client, topical(extension=period), serving)
    serving.eventually(lambda: len(hook.bundles("heartbeat")) == 2)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ((), ["a1", "a2", "b1"]),
        (("DetectedIssue?severity=high",), ["a1", "b1"]),
        (("Patient?_id=p1",), ["a1", "a2"]),
        (("Patient?_id=p1", "DetectedIssue?severity=high"), ["a1"]),
        (("Task?status=requested",), []),
        (("DetectedIssue?severity=high", "Task?status=requested"), ["a1", "b1"]),
    ],
)
def test_filters_limit_what_is_told(
    client: Any,
    hook: Hook,
    decide: Callable[..., None],
    serving: Any,
    filters: tuple[str, ...],
    told: list[str],
) -> None:
    subscribed(client, topical("id-only", *filters), serving)
    decide(issue("a1"), issue("a2", severity="low"), issue("b1", "p2"))
    decide(issue("a1", patient="p1", detail="end"), issue("b1", "p2", detail="end"))

    def named() -> list[str]:
        found = [c for one in hook.bundles("event-notification") for e in events(one) for c in e["context"]]
        return sorted({one.rpartition("/")[2] for one in found})

    if told:
        serving.eventually(lambda: named() == told)
    else:
        last = parameters(client.get("/fhir/Subscription/s1/$events").json())[-1]
        assert last == {"name": "events-since-subscription-start", "valueString": "0"}


# R4


def test_a_search_of_r4_is_told_by_an_empty_post(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, plain("DetectedIssue?severity=high"), serving)
    decide(issue("a1"), issue("a2", severity="low"))
    serving.eventually(lambda: hook.told)
    decide(issue("a1", detail="changed"))
    serving.eventually(lambda: len(hook.told) == 2)
    assert {(r.method, str(r.url), r.content) for r in hook.told} == {("POST", HOOK, b"")}


def test_a_search_of_r4_with_a_payload_is_told_by_the_resource(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, plain("DetectedIssue?severity=high", "application/fhir+json"), serving)
    decide(issue("a1"))
    serving.eventually(lambda: hook.told)
    [request] = hook.told
    assert (request.method, str(request.url)) == ("PUT", f"{HOOK}/DetectedIssue/a1")
    assert orjson.loads(request.content)["id"] == "a1"
    assert request.headers["content-type"] == "application/fhir+json"


# What fails


def test_an_endpoint_that_is_away_is_told_in_order_when_it_is_back(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.02)
    monkeypatch.setattr(delivering, "MOST_FAILURES", 1000)
    subscribed(client, topical("id-only", extension={"max-count": {"valuePositiveInt": 2}}), serving)
    hook.status = 0
    for number in range(5):
        decide(issue(detail=str(number)))
    serving.eventually(lambda: len(hook.told) > 3)
    hook.status = 200
    before = len(hook.told)
    serving.eventually(lambda: waits_for_nothing(client))
    taken = [orjson.loads(request.content) for request in hook.told[before - 1 :]]
    numbers = [int(e["event-number"]) for one in taken for e in events(one)]
    assert numbers[-5:] == [1, 2, 3, 4, 5]
    assert max(len(events(one)) for one in taken) == 2


def waits_for_nothing(client: Any) -> bool:
    with client.running.database.read() as conn:
        return registry.untold(conn) == 0


@both
def test_after_many_failures_it_is_in_error_and_asked_for_again_it_misses_nothing(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.01)
    monkeypatch.setattr(delivering, "MOST_FAILURES", 3)
    subscribed(client, topical(), serving)
    hook.status = 500
    decide(issue())
    serving.eventually(lambda: client.get("/fhir/Subscription/s1").json()["status"] == "error")
    assert client.get("/fhir/Subscription/s1").json()["error"] == "the endpoint answered 500"
    came = len(hook.told)
    decide(issue(detail="while in error"))
    hook.status = 200
    hook.told.clear()
    subscribed(client, client.get("/fhir/Subscription/s1").json() | {"status": "requested"}, serving)
    serving.eventually(lambda: hook.numbers() == [1, 2])
    assert came == 1 + 3
    assert "error" not in client.get("/fhir/Subscription/s1").json()


@both
def test_who_is_overtaken_while_it_tells_takes_nothing_back(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, topical(), serving)
    next_one = delivering.Delivering(client.running, hook)

    def overtaken() -> None:
        decide(issue(detail="second"))
        next_one.notify(jobs.Job("notify", "s1", 1, 0))

    hook.before_answering = overtaken
    decide(issue(detail="first"))
    serving.eventually(lambda: jobs_of(client) == jobs.Standing(0, 0, dt.timedelta()))
    assert hook.numbers() == [1, 1, 2], "what was taken and noted is not told again"


def test_a_process_that_is_about_to_stop_leaves_the_rest_to_the_next(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, topical("id-only", extension={"max-count": {"valuePositiveInt": 1}}), serving)
    hook.before_answering = client.running.leaving.set
    decide(issue(), issue("b1", "p2"))
    serving.eventually(lambda: hook.numbers() and jobs_of(client).waiting == 0)
    assert hook.numbers() == [1]
    client.running.leaving.clear()
    serving.eventually(lambda: hook.numbers() == [1, 2])


def jobs_of(client: Any) -> jobs.Standing:
    with client.running.database.read() as conn:
        return jobs.standing(conn, ["notify"])["notify"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_without_a_handshake_that_is_taken_it_is_not_active(
    client: Any, hook: Hook, serving: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.01)
    monkeypatch.setattr(delivering, "MOST_FAILURES", 2)
    hook.status = status
    subscribed(client, topical(), serving, "error")
    assert {str(request.url) for request in hook.told} == {HOOK}, "a redirect is not followed"


def test_turned_off_or_deleted_it_tells_nothing_more(
    client: Any, hook: Hook, decide: Callable[..., None], serving: Any
) -> None:
    subscribed(client, topical(), serving)
    subscribed(client, topical(status="off"), serving, "off")
    decide(issue())
    subscribed(client, topical(), serving)
    assert client.request("DELETE", "/fhir/Subscription/s1").status_code == 204
    decide(issue(detail="later"))
    with client.running.database.read() as conn:
        assert registry.get(conn, "s1") is None
        assert jobs.standing(conn, ["notify"])["notify"].waiting == 0
    assert hook.numbers() == []


def test_its_profile_is_kept_when_its_status_changes(client: Any, serving: Any) -> None:
    profile = f"{BACKPORT}-subscription"
    subscribed(client, topical(meta={"profile": [profile]}), serving)
    kept = client.get("/fhir/Subscription/s1").json()["meta"]
    assert (kept["profile"], kept["versionId"]) == ([profile], "2")


def test_it_ends_when_it_was_to_end(client: Any, hook: Hook, serving: Any) -> None:
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    subscribed(client, topical(end=past), serving, "off")
    assert hook.told == []


def test_a_search_that_can_no_longer_be_answered_ends_itself_and_keeps_no_result_out(
    client: Any, decide: Callable[..., None], serving: Any
) -> None:
    codes = {"system": "urn:codes", "concept": [{"code": "c"}]}
    drugs = {"resourceType": "ValueSet", "id": "v1", "status": "active", "compose": {"include": [codes]}}
    client.put("/fhir/ValueSet/v1", json=drugs)
    subscribed(client, plain("DetectedIssue?code:in=ValueSet/v1"), serving)
    assert client.request("DELETE", "/fhir/ValueSet/v1").status_code == 204
    decide(issue("a1"))
    assert client.get("/fhir/DetectedIssue/a1").status_code == 200
    serving.eventually(lambda: client.get("/fhir/Subscription/s1").json()["status"] == "error")
    assert "ValueSet" in client.get("/fhir/Subscription/s1").json()["error"]
