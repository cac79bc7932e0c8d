"""Who subscribed is told of new results: what was asked for, within the asker's rights, in order, and no
secret.

The endpoint is a transport that takes, refuses or is away as a test wants.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from ehr_ingestion.app import service
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.notifications.reading import read
from ehr_ingestion.subscribers import delivering, registry
from isodose.events import contract, jobs
from isodose.fhir.access import Access, Grant
from isodose.fhir.exchange import ACCESS
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database

Json = dict[str, Any]
BASE = "https://isodose.example/fhir"
TOPIC = f"{BASE}/SubscriptionTopic/new-guidance"
HOOK = "https://hooks.example/told"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"
FHIR = {"content-type": "application/fhir+json"}


class Hook(httpx.BaseTransport):
    """The endpoint of a subscriber: `told` what came, `status` what it answers."""

    def __init__(self) -> None:
        self.told: list[httpx.Request] = []
        self.status = 200

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.told.append(request)
        if not self.status:
            raise httpx.ConnectError("away")
        return httpx.Response(self.status, headers={"location": "https://elsewhere.example/"})

    def bundles(self, kind: str) -> list[Json]:
        found = [orjson.loads(request.content) for request in self.told if request.content]
        return [one for one in found if kind_of(one) == kind]

    def numbers(self) -> list[int]:
        parts = [parts for one in self.bundles("event-notification") for parts in events(one)]
        return [int(part["event-number"]) for part in parts]


def parameters(bundle: Json) -> list[Json]:
    found: list[Json] = bundle["entry"][0]["resource"]["parameter"]
    return found


def kind_of(bundle: Json) -> str:
    if bundle["resourceType"] != "Bundle":
        return "resource"
    return next(p["valueCode"] for p in parameters(bundle) if p["name"] == "type")


def events(bundle: Json) -> list[dict[str, Any]]:
    found = []
    for parameter in parameters(bundle):
        if parameter["name"] == "notification-event":
            parts: dict[str, Any] = {"context": []}
            for part in parameter["part"]:
                value = (
                    part.get("valueString") or part.get("valueInstant") or part["valueReference"]["reference"]
                )
                if part["name"] == "additional-context":
                    parts["context"].append(value)
                else:
                    parts[part["name"]] = value
            found.append(parts)
    return found


def topical(content: str = "id-only", *filters: str, **more: Any) -> Json:
    extension = [{"url": f"{BACKPORT}-{name}", **value} for name, value in more.pop("extension", {}).items()]
    channel = {
        "type": "rest-hook",
        "endpoint": HOOK,
        "header": ["Authorization: Bearer very-secret"],
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}-payload-content", "valueCode": content}]},
        **({"extension": extension} if extension else {}),
    }
    made: Json = {
        "resourceType": "Subscription",
        "id": "s1",
        "status": "requested",
        "reason": "to know",
        "criteria": TOPIC,
        "channel": channel,
    }
    if filters:
        listed = [{"url": f"{BACKPORT}-filter-criteria", "valueString": one} for one in filters]
        made["_criteria"] = {"extension": listed}
    return made | more


def plain(criteria: str, payload: str | None = None, **more: Any) -> Json:
    channel = {"type": "rest-hook", "endpoint": HOOK, **({"payload": payload} if payload else {})}
    return {
        "resourceType": "Subscription", "id": "s1", "status": "requested", "reason": "to know",
        "criteria": criteria, "channel": channel, **more,
    }  # fmt: skip


def issue(key: str = "a1", patient: str = "p1", severity: str = "high", **more: Any) -> Json:
    return {
        "resourceType": "DetectedIssue",
        "id": key,
        "identifier": [{"system": f"{BASE}/NamingSystem/result", "value": key}],
        "status": "final",
        "severity": severity,
        "patient": {"reference": f"Patient/{patient}"},
        **more,
    }


@pytest.fixture(params=["defined"])
def database_url(request: pytest.FixtureRequest) -> str:
    made: str = request.getfixturevalue(f"new_{request.param}")()
    return made


both = pytest.mark.parametrize(
    "database_url", ["defined", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        event_log_url=f"sqlite:///{tmp_path / 'events.db'}",
        public_url="http://127.0.0.1",
        subscriber_origins=("https://hooks.example", "https://other.example"),
    )


class WithAccess:
    """ASGI: gives each request the access that a test sets, as the guard does from a token."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.access: Access | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and self.access is not None:
            scope[ACCESS] = self.access
        await self.app(scope, receive, send)


@pytest.fixture
def client(settings: Settings, hook: Hook, serving: Any) -> Iterator[Any]:
    app = build_app(service(settings, hook_transport=hook), settings)
    with serving.served(WithAccess(app), app.router.lifespan_context(app)) as running:
        running.running = app.state.running
        for id in ("p1", "p2"):
            assert (
                running.put(f"/fhir/Patient/{id}", json={"resourceType": "Patient", "id": id}).status_code
                == 201
            )
        yield running


@pytest.fixture
def decide(client: Any) -> Callable[..., None]:
    """Fold the results of a decision in."""
    version = [0]

    def decided(*resources: Json) -> None:
        version[0] += 1
        by_patient: dict[str, list[Json]] = {}
        for one in resources:
            by_patient.setdefault(one["patient"]["reference"].partition("/")[2], []).append(one)
        told = [
            contract.guidance(
                "isodose.alerts.checked",
                "ici_steroid_alerts",
                {
                    "patientId": patient, "service": "ici_steroid_alerts", "recordVersion": version[0],
                    "knowledgeVersion": "k", "on": "2026-11-23", "findings": [], "options": [],
                    "resources": those,
                },
                patient,
            )
            for patient, those in by_patient.items()
        ]  # fmt: skip
        with client.running.transaction() as work:
            fold_guidance(work, told)

    return decided


def subscribed(client: Any, subscription: Json, serving: Any, status: str = "active") -> None:
    assert client.put("/fhir/Subscription/s1", json=subscription).status_code in (200, 201)
    serving.eventually(lambda: client.get("/fhir/Subscription/s1").json()["status"] == status)


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
    monkeypatch.setattr(delivering, "MOST_ATTEMPTS", 1000)
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
    monkeypatch.setattr(delivering, "MOST_ATTEMPTS", 3)
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


@pytest.mark.parametrize("status", [302, 404, 500])
def test_without_a_handshake_that_is_taken_it_is_not_active(
    client: Any, hook: Hook, serving: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.01)
    monkeypatch.setattr(delivering, "MOST_ATTEMPTS", 2)
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


def test_it_ends_when_it_was_to_end(client: Any, hook: Hook, serving: Any) -> None:
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    subscribed(client, topical(end=past), serving, "off")
    assert hook.told == []


# What may not be asked for


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"criteria": "Observation?code=x"}, "criteria"),
        ({"criteria": "DetectedIssue?shoe-size=1"}, "criteria"),
        ({"criteria": "DetectedIssue?_count=1"}, "criteria"),
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
