"""Two servers of our own, one as the EHR: what is sent is what is taken, and what was lost on the way is
found.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ehr_ingestion.app import service
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.registering import Registrar
from ehr_ingestion.notifications.registry import EhrSubscription
from isodose.events import contract
from isodose.service import build_app
from isodose.settings import Settings
from served import Network

Json = dict[str, Any]
EHR = "https://ehr.example/fhir"
HERE = "https://isodose.example"
TOPIC = "https://isodose.example/fhir/SubscriptionTopic/new-guidance"
SECRET = "what-only-the-two-know"
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01"}


class Way(Network):
    """The network between the two; what is to be lost is answered as if it had come."""

    loses = 0

    def instead(self, request: httpx.Request) -> httpx.Response | None:
        if not self.loses:
            return None
        self.loses -= 1
        return httpx.Response(200)


@pytest.fixture
def ways(
    tmp_path: Path, new_defined: Callable[[], str], serving: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Way, Way]]:
    """The way to the EHR and the way back, both servers running."""
    monkeypatch.setattr("ehr_ingestion.notifications.intake.GRACE", dt.timedelta())
    (tmp_path / "secret").write_text(SECRET)
    there = Settings(
        database_url=new_defined(),
        event_log_url=f"sqlite:///{tmp_path / 'ehr.db'}",
        public_url=EHR.removesuffix("/fhir"),
        subscriber_origins=(HERE,),
    )
    here = Settings(
        database_url=new_defined(),
        event_log_url=f"sqlite:///{tmp_path / 'own.db'}",
        public_url=HERE,
        ehr_fhir_url=EHR,
        notification_secret_file=tmp_path / "secret",
    )
    forth, back = Way(), Way()
    with (
        serving.served(build_app(service(there, hook_transport=back), there)) as ehr,
        serving.served(build_app(service(here, ehr_transport=forth), here)) as own,
    ):
        forth.client, back.client = ehr, own
        yield forth, back


def subscribed(forth: Way, back: Way, serving: Any) -> None:
    database = back.client.app.state.running.database
    registrar = Registrar(EhrClient(EHR, transport=forth, attempts=1), database, HERE, SECRET)
    asked = EhrSubscription(name="chart", criteria="", topic=TOPIC, created_at=dt.datetime.now(dt.UTC))
    made = registrar.create(asked)
    serving.eventually(lambda: registrar.status(made) == "active")


def decided(way: Way, version: int, detail: str) -> None:
    """A decision at the EHR, and something new that it rests on."""
    observed = {
        "resourceType": "Observation",
        "id": f"o{version}",
        "status": "final",
        "code": {"text": detail},
        "subject": {"reference": "Patient/p1"},
    }
    for resource in (PATIENT, observed):
        way.client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
    issue = {
        "resourceType": "DetectedIssue",
        "id": "a1",
        "identifier": [{"system": "https://isodose.example/fhir/NamingSystem/result", "value": "a1"}],
        "status": "final",
        "detail": detail,
        "patient": {"reference": "Patient/p1"},
    }
    data = {
        "patientId": "p1", "service": "ici_steroid_alerts", "recordVersion": version, "knowledgeVersion": "k",
        "on": "2026-11-23", "findings": [], "options": [], "resources": [issue],
    }  # fmt: skip
    event = contract.guidance("isodose.alerts.checked", "ici_steroid_alerts", data, "p1")
    with way.client.app.state.running.transaction() as work:
        fold_guidance(work, [event])


def here_is(back: Way, number: int) -> bool:
    return bool(back.client.get(f"/fhir/Observation/o{number}").status_code == 200)


def stood(back: Way) -> EhrSubscription:
    with back.client.app.state.running.database.read() as conn:
        found = registry.get(conn, "chart")
    assert found is not None
    return found


def test_what_one_tells_the_other_reads(ways: tuple[Way, Way], serving: Any) -> None:
    forth, back = ways
    subscribed(forth, back, serving)
    decided(forth, 1, "first")
    serving.eventually(lambda: here_is(back, 1))
    decided(forth, 2, "second")
    serving.eventually(lambda: here_is(back, 2))
    assert stood(back).numbers.seen == 2
    assert stood(back).status == "active"
    [again] = [path for path in forth.asked if "/Observation?" in path and "_lastUpdated" in path]
    assert "patient=p1" in again
    assert back.client.get("/fhir/DetectedIssue").json()["total"] == 0, "results are not the EHR's statements"


def test_what_was_lost_on_the_way_is_asked_for(ways: tuple[Way, Way], serving: Any) -> None:
    forth, back = ways
    subscribed(forth, back, serving)
    back.loses = 1
    decided(forth, 1, "lost")
    serving.eventually(lambda: back.loses == 0)
    assert not here_is(back, 1)
    decided(forth, 2, "comes")
    serving.eventually(lambda: stood(back).gaps == 1 and not stood(back).numbers.missing)
    serving.eventually(lambda: here_is(back, 1) and here_is(back, 2))
    assert any("$events?eventsSinceNumber=1&eventsUntilNumber=1" in path for path in forth.asked)
