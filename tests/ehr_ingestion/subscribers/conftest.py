"""ehr_ingestion with two patients, an endpoint that is told, and decisions whose results are told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from databases import database_url as database_url  # noqa: PLC0414 (a fixture)
from ehr_ingestion.app import service
from ehr_ingestion.handlers import fold_guidance
from isodose.events import contract
from isodose.fhir.access import Access
from isodose.fhir.exchange import ACCESS
from isodose.service import build_app
from isodose.settings import Settings
from subscriber import Hook, Json


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
