"""The EHR tells what changed, in every form that servers use; nothing it told of is lost, or taken twice.

The EHR is played by a FHIR server of our own, with the operations on Subscriptions that a test gives it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from databases import both
from databases import database_url as database_url  # noqa: PLC0414 (a fixture)
from ehr_ingestion.app import service
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.fetching import MOST_NOT_FOUND
from ehr_ingestion.notifications.registry import EhrSubscription
from isodose.events import jobs
from isodose.events.set_aside import SetAside, listed
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from served import Network

Json = dict[str, Any]
EHR = "https://ehr.example/fhir"
SECRET = "the-secret-of-the-hook"
TOPIC = "https://ehr.example/SubscriptionTopic/chart"
SENT = {"content-type": "application/fhir+json", "authorization": f"Bearer {SECRET}"}
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01"}


class Ehr(Network):
    """A FHIR server in this process. `offers` are answers by the end of a path."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.offers: dict[str, httpx.Response] = {}
        self.away = False

    def instead(self, request: httpx.Request) -> httpx.Response | None:
        if self.away:
            return httpx.Response(503)
        for ending, answer in self.offers.items():
            if request.url.path.endswith(ending):
                return httpx.Response(answer.status_code, content=answer.content)
        return None


def kps(value: int, id: str = "kps", patient: str = "p1") -> Json:
    fact = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [fact]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-01",
        "valueInteger": value,
    }


def note(
    kind: str, total: int, *events: tuple[int, str], entries: list[Json] | None = None, r4b: bool = False
) -> Json:
    """A notification of the backport, with the status as Parameters or, in R4B, as a resource of its own."""
    status: Json = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": f"{EHR}/Subscription/s1"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(total)},
            *(
                {
                    "name": "notification-event",
                    "part": [
                        {"name": "event-number", "valueString": str(number)},
                        *([{"name": "focus", "valueReference": {"reference": focus}}] if focus else []),
                    ],
                }
                for number, focus in events
            ),
        ],
    }
    if r4b:
        status = {
            "resourceType": "SubscriptionStatus",
            "status": "active",
            "type": kind,
            "eventsSinceSubscriptionStart": str(total),
            "notificationEvent": [{"eventNumber": str(n), "focus": {"reference": f}} for n, f in events],
        }
    first = {
        "resource": status,
        "request": {"method": "GET", "url": f"{EHR}/Subscription/s1/$status"},
        "response": {"status": "200"},
    }
    return {"resourceType": "Bundle", "type": "history", "entry": [first, *(entries or [])]}


def brought(resource: Json) -> Json:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"{EHR}/{url}",
        "resource": resource,
        "request": {"method": "PUT", "url": url},
        "response": {"status": "200"},
    }


@pytest.fixture
def ehr(at_the_ehr: Any) -> Ehr:
    played = Ehr(at_the_ehr)
    played.put(PATIENT)
    return played


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return Settings(
        database_url=database_url,
        event_log_url=f"sqlite:///{tmp_path / 'events.db'}",
        public_url="http://127.0.0.1",
        ehr_fhir_url=EHR,
        notification_secret_file=tmp_path / "secret",
    )


@pytest.fixture
def client(settings: Settings, ehr: Ehr, serving: Any) -> Iterator[Any]:
    with serving.served(build_app(service(settings, ehr), settings)) as running:
        yield running


def registered(database: Database, name: str = "chart", **more: Any) -> None:
    asked = {"criteria": "", "topic": TOPIC, "reference": "Subscription/s1", **more}
    with database.begin() as conn:
        registry.put(conn, EhrSubscription(name=name, created_at=dt.datetime.now(dt.UTC), **asked))


def stood(database: Database, name: str = "chart") -> EhrSubscription:
    with database.read() as conn:
        found = registry.get(conn, name)
    assert found is not None
    return found


def tell(client: Any, body: Json | None = None, path: str = "/notifications/chart") -> Json:
    content = json.dumps(body) if body is not None else b""
    answer = client.request("POST", path, content=content, headers=SENT)
    assert answer.status_code == 200, answer.text
    said: Json = answer.json()
    return said


def value(client: Any, id: str = "kps") -> int | None:
    answer = client.get(f"/fhir/Observation/{id}")
    return answer.json()["valueInteger"] if answer.status_code == 200 else None


# R4


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/notifications/obs/Observation/kps"), ("POST", "/notifications/obs")],
    ids=["put-by-id", "post"],
)
def test_a_resource_that_is_sent_is_kept_before_it_is_acknowledged_and_once(
    client: Any, ehr: Ehr, database: Database, method: str, path: str
) -> None:
    registered(database, "obs", topic="", criteria="Observation?", content="full-resource")
    client.put("/fhir/Patient/p1", json=PATIENT)
    for _ in range(3):
        answer = client.request(method, path, content=json.dumps(kps(80)), headers=SENT)
        assert answer.status_code == 200
        assert value(client) == 80
    assert client.get("/fhir/Observation/kps").headers["etag"] == 'W/"1"'
    assert stood(database, "obs").taken == 3
    assert not any("/Observation" in path for path in ehr.asked)


def test_an_empty_call_is_followed_by_the_search_of_the_criteria_and_the_rest_of_a_new_patient(
    client: Any, ehr: Ehr, database: Database, serving: Any
) -> None:
    registered(database, "obs", topic="", criteria="Observation?status=final")
    ehr.put(kps(70))
    ehr.put({"resourceType": "BodyStructure", "id": "b1", "patient": {"reference": "Patient/p1"}})
    tell(client, path="/notifications/obs")
    serving.eventually(lambda: value(client) == 70)
    serving.eventually(lambda: client.get("/fhir/BodyStructure/b1").status_code == 200)
    searches = [path for path in ehr.asked if "/Observation?status=final" in path]
    assert len(searches) == 1
    assert "_lastUpdated=ge" in searches[0]


def test_what_the_ehr_deletes_is_deleted(client: Any, database: Database) -> None:
    registered(database, "obs", topic="", criteria="Observation?")
    client.put("/fhir/Patient/p1", json=PATIENT)
    client.put("/fhir/Observation/kps", json=kps(80))
    answer = client.request("DELETE", "/notifications/obs/Observation/kps", headers=SENT)
    assert answer.status_code == 200
    assert client.get("/fhir/Observation/kps").status_code == 410


def test_after_an_outage_what_is_not_there_yet_is_asked_for_again(
    client: Any, ehr: Ehr, database: Database, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.01)
    registered(database)
    client.put("/fhir/Patient/p1", json=PATIENT)
    ehr.away = True
    tell(client, note("event-notification", 1, (1, f"{EHR}/Observation/kps")))

    def asked() -> int:
        return sum(path.endswith("/Observation/kps") for path in ehr.asked)

    serving.eventually(lambda: asked() > MOST_NOT_FOUND + 1)
    ehr.away, before = False, asked()
    serving.eventually(lambda: asked() > before)
    ehr.put(kps(80))
    serving.eventually(lambda: value(client) == 80)


def test_a_resource_that_does_not_fit_is_counted_and_keeps_no_other_out(
    client: Any, database: Database
) -> None:
    registered(database)
    client.put("/fhir/Patient/p1", json=PATIENT)
    bad = {**kps(1, "bad"), "valueInteger": None, "valueString": "eighty"}
    entries = [brought(bad), brought(kps(80)), brought({**kps(2, "worse"), "status": "done"})]
    said = tell(client, note("event-notification", 1, (1, f"{EHR}/Observation/kps"), entries=entries))
    assert said["issue"][0]["severity"] == "warning"
    assert value(client) == 80
    assert value(client, "bad") is value(client, "worse") is None
    assert stood(database).refused == 2


def test_what_the_platform_wrote_to_the_ehr_does_not_come_back_as_the_ehrs(
    client: Any, database: Database
) -> None:
    registered(database)
    client.put("/fhir/Patient/p1", json=PATIENT)
    own = {"system": "https://isodose.example/fhir/NamingSystem/result", "value": "x"}
    tell(client, note("event-notification", 1, (1, ""), entries=[brought({**kps(10), "identifier": [own]})]))
    assert value(client) is None


# The backport


@pytest.mark.parametrize("r4b", [False, True], ids=["parameters", "status"])
@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
def test_an_id_is_read_at_the_ehr_with_the_patient_when_new(
    client: Any, ehr: Ehr, database: Database, serving: Any, r4b: bool, absolute: bool
) -> None:
    registered(database)
    ehr.put(kps(60))
    focus = f"{EHR}/Observation/kps" if absolute else "Observation/kps"
    tell(client, note("event-notification", 1, (1, focus), r4b=r4b))
    serving.eventually(lambda: value(client) == 60)
    assert client.get("/fhir/Patient/p1").status_code == 200


def test_full_resources_are_kept_without_asking_the_ehr(client: Any, ehr: Ehr, database: Database) -> None:
    registered(database)
    entries = [brought(PATIENT), brought({**kps(90), "subject": {"reference": f"{EHR}/Patient/p1"}})]
    events = ((1, f"{EHR}/Patient/p1"), (2, f"{EHR}/Observation/kps"))
    tell(client, note("event-notification", 2, *events, entries=entries))
    assert value(client) == 90
    assert ehr.asked == []
    record = client.get("/fhir/Observation?patient=p1").json()
    assert record["total"] == 1


def test_empty_events_are_followed_by_a_reading_of_everybody_who_is_here(
    client: Any, ehr: Ehr, database: Database, serving: Any
) -> None:
    registered(database, content="empty")
    client.put("/fhir/Patient/p1", json=PATIENT)
    ehr.put(kps(50))
    tell(client, note("event-notification", 1, (1, "")))
    serving.eventually(lambda: value(client) == 50)


@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_a_handshake_and_a_heartbeat_ask_for_nothing_and_are_noted(
    client: Any, ehr: Ehr, database: Database, kind: str
) -> None:
    registered(database)
    tell(client, note(kind, 0))
    assert stood(database).heard_at is not None
    assert stood(database).numbers.seen == 0
    assert ehr.asked == []


def gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehr_ingestion.notifications.intake.GRACE", dt.timedelta())


@both
def test_events_that_did_not_come_are_asked_of_the_ehr(
    client: Any, ehr: Ehr, database: Database, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap(monkeypatch)
    registered(database)
    missed = note("query-event", 3, (2, ""), entries=[brought(PATIENT), brought(kps(40, "missed"))])
    ehr.offers["/Subscription/s1/$events"] = httpx.Response(200, json=missed)
    tell(client, note("handshake", 0))
    tell(client, note("event-notification", 1, (1, ""), entries=[brought(PATIENT)]))
    tell(client, note("event-notification", 3, (3, ""), entries=[brought(kps(80))]))
    serving.eventually(lambda: value(client, "missed") == 40)
    serving.eventually(lambda: not stood(database).numbers.missing)
    assert stood(database).gaps == 1
    [asked] = [path for path in ehr.asked if "$events" in path]
    assert "eventsSinceNumber=2&eventsUntilNumber=2" in asked


@pytest.mark.parametrize("how", ["number", "heartbeat"])
def test_where_the_ehr_keeps_no_events_the_patients_are_read(
    client: Any, ehr: Ehr, database: Database, serving: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    gap(monkeypatch)
    registered(database)
    ehr.put(kps(40, "missed"))
    client.put("/fhir/Patient/p1", json=PATIENT)
    tell(client, note("handshake", 0))
    tell(
        client, note("event-notification", 2, (2, "Patient/p1")) if how == "number" else note("heartbeat", 1)
    )
    serving.eventually(lambda: value(client, "missed") == 40)
    serving.eventually(lambda: not stood(database).numbers.missing)
    assert stood(database).gaps == 1


def test_an_event_that_comes_late_is_not_missed(client: Any, ehr: Ehr, database: Database) -> None:
    registered(database)
    tell(client, note("handshake", 0))
    for number in (3, 1, 2, 2, 1):
        tell(client, note("event-notification", number, (number, ""), entries=[brought(PATIENT)]))
    assert stood(database).numbers.missing == ()
    assert ehr.asked == []


# What fails


@both
def test_what_was_acknowledged_is_read_after_a_restart_and_an_outage(
    settings: Settings, ehr: Ehr, database: Database, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.05)
    registered(database)
    ehr.put(kps(60))
    ehr.away = True
    with serving.served(build_app(service(settings, ehr), settings)) as first:
        tell(first, note("event-notification", 1, (1, "Observation/kps")))
        serving.eventually(lambda: ehr.asked)
        waiting = first.get("/metrics").text
        assert 'isodose_jobs_waiting{kind="read-resource",service="ehr_ingestion"} 1.0' in waiting
    ehr.away = False
    with serving.served(build_app(service(settings, ehr), settings)) as second:
        serving.eventually(lambda: value(second) == 60)


def test_what_the_ehr_does_not_find_is_asked_for_again_and_then_left(
    client: Any, ehr: Ehr, database: Database, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.02)
    registered(database)
    tell(client, note("event-notification", 1, (1, "Observation/nowhere")))
    serving.eventually(lambda: len(ehr.asked) == 5)
    with database.read() as conn:
        assert listed(conn) == []


def test_what_the_ehr_does_not_give_is_set_aside_and_told(
    client: Any, ehr: Ehr, database: Database, serving: Any
) -> None:
    registered(database)
    ehr.offers["/Observation/kps"] = httpx.Response(403)
    tell(client, note("event-notification", 1, (1, "Observation/kps")))

    def aside() -> list[SetAside]:
        with database.read() as conn:
            return listed(conn)

    [left] = serving.eventually(aside)
    assert (left.kind, left.error) == ("read-resource", "the EHR answered 403 for the Observation")
    assert (
        'isodose_jobs_failed{kind="read-resource",service="ehr_ingestion"} 1.0' in client.get("/metrics").text
    )


# Who may


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", SECRET, "Basic eDp5", "Bearer"])
def test_without_the_secret_nothing_is_taken(
    client: Any, database: Database, authorization: str | None
) -> None:
    registered(database)
    headers = SENT | {"authorization": authorization or ""}
    if authorization is None:
        del headers["authorization"]
    body = json.dumps(note("event-notification", 1, (1, ""), entries=[brought(PATIENT)]))
    answer = client.request("POST", "/notifications/chart", content=body, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert client.get("/fhir/Patient/p1").status_code == 404


def test_a_subscription_that_is_not_ours_is_answered_404(client: Any) -> None:
    answer = client.request("POST", "/notifications/other", content=b"", headers=SENT)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"resourceType": 1}', '{"resourceType":"Bundle","entry":[{"request":1}]}']
)
def test_what_cannot_be_read_is_refused_as_the_senders_fault(
    client: Any, database: Database, body: str
) -> None:
    registered(database)
    answer = client.request("POST", "/notifications/chart", content=body, headers=SENT)
    assert answer.status_code == 400, answer.text
