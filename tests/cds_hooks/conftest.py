"""A small app with two CDS services and an EHR that can be told what to answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from isodose.cds_hooks import Card, CdsService, HookCall, Prefetch, Source, cds_router
from isodose.cds_hooks.models import Feedback
from isodose.cds_hooks.prefetch import EhrUnavailableError
from isodose.cds_hooks.trust import CdsTrust
from isodose.fhir.errors import FhirError, outcome
from isodose.fhir.exchange import Deed
from isodose.security.callers import Caller

TODAY = dt.date(2026, 11, 23)
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female"}
KPS = {
    "resourceType": "Observation",
    "id": "kps",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "89243-0"}]},
    "subject": {"reference": "Patient/p1"},
    "valueInteger": 80,
}
DRAFT = {
    "resourceType": "MedicationRequest",
    "id": "draft-1",
    "status": "draft",
    "intent": "order",
    "medicationCodeableConcept": {"text": "dexamethasone 4 mg"},
    "subject": {"reference": "Patient/p1"},
}


AUTHORIZATION = {
    "access_token": "very-secret-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "isodose",
}


def searchset(*resources: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": resource} for resource in resources],
        **members,
    }


def collection(*resources: dict[str, Any]) -> dict[str, Any]:
    return searchset(*resources, type="collection")


@dataclass
class FakeEhr:
    """An EHR that may be asked at https://ehr.example/fhir."""

    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def allows(self, base: str) -> bool:
        return base == "https://ehr.example/fhir"

    def fetch(self, base: str, query: str, token: str | None, timeout_s: float) -> list[dict[str, Any]]:
        self.asked.append((base, query, token))
        if query not in self.answers:
            raise EhrUnavailableError("the EHR's FHIR server answered 401")
        return self.answers[query]


@dataclass
class Desk:
    """What the tests look at: calls the services saw, feedback received, and the HTTP client."""

    PATIENT: ClassVar[dict[str, Any]] = PATIENT
    KPS: ClassVar[dict[str, Any]] = KPS
    DRAFT: ClassVar[dict[str, Any]] = DRAFT
    AUTHORIZED: ClassVar[dict[str, Any]] = {
        "fhirServer": "https://ehr.example/fhir",
        "fhirAuthorization": AUTHORIZATION,
    }
    searchset = staticmethod(searchset)
    collection = staticmethod(collection)

    calls: list[HookCall] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    feedback: list[tuple[str, Sequence[Feedback]]] = field(default_factory=list)
    ehr: FakeEhr = field(default_factory=FakeEhr)
    failure: Exception | None = None
    trust: CdsTrust | None = None
    witnessed: list[tuple[Deed, Caller | None]] = field(default_factory=list)

    def witness(self, deed: Deed, caller: Caller | None, _address: str) -> None:
        self.witnessed.append((deed, caller))

    def answer(self, call: HookCall) -> list[Card]:
        self.calls.append(call)
        if self.failure:
            raise self.failure
        return self.cards

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.exception_handler(FhirError)
        def refuse(_request: Request, error: FhirError) -> Response:
            return Response(outcome(error), status_code=error.status, media_type="application/fhir+json")

        app.include_router(
            cds_router(
                self.services(),
                lambda service, batch: self.feedback.append((service, batch)),
                self.ehr,
                today=lambda: TODAY,
                worklist_url=lambda patient_id: f"https://isodose.example/worklist/{patient_id}",
                ehr_timeout_s=0.5,
                max_body_bytes=200_000,
                trust=self.trust,
                witness=self.witness,
            )
        )
        return app

    def get(self, path: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, headers=headers))

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://isodose.test") as client:
            return await client.request(method, path, **more)

    def services(self) -> list[CdsService]:
        prefetch = {
            "patient": Prefetch("Patient/{{context.patientId}}", required=True),
            "observations": Prefetch("Observation?patient={{context.patientId}}", required=True),
            "scans": Prefetch("ImagingStudy?patient={{context.patientId}}"),
        }
        return [
            CdsService("view", "patient-view", "View", "Advises on opening a chart.", prefetch, self.answer),
            CdsService("other", "patient-view", "Other", "Advises too.", prefetch, self.answer),
            CdsService("orders", "order-sign", "Orders", "Looks at drafts.", prefetch, self.answer),
            CdsService("orders", "order-select", "Orders", "Looks at drafts.", prefetch, self.answer),
            CdsService("booking", "appointment-book", "Booking", "Looks at bookings.", {}, self.answer),
        ]

    def request(self, hook: str = "patient-view", **changes: Any) -> dict[str, Any]:
        """A call that is answered as it stands; `changes` replace members, None removes one."""
        return request(hook, **changes)

    def post(self, service: str, body: Any, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return asyncio.run(self._ask("POST", f"/cds-services/{service}", content=content, headers=headers))


@pytest.fixture
def desk() -> Desk:
    return Desk(
        cards=[Card(summary="Something to act on", indicator="warning", source=Source(label="Isodose"))]
    )


def request(hook: str = "patient-view", **changes: Any) -> dict[str, Any]:
    """A call that is answered as it stands; `changes` replace members, None removes one."""
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": "p1"}
    if hook in ("order-sign", "order-select"):
        context["draftOrders"] = collection(DRAFT)
    if hook == "order-select":
        context["selections"] = ["MedicationRequest/draft-1"]
    whole: dict[str, Any] = {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": {"patient": PATIENT, "observations": searchset(KPS), "scans": None},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """Published samples of other projects, where they are on this machine."""
    return shared_sample


def shared_sample(name: str) -> Any:
    default = Path(__file__).resolve().parents[2] / ".." / "shared"
    path = Path(os.environ.get("ISODOSE_SHARED", default)) / "samples" / name
    if not path.exists():
        pytest.skip(f"the published samples are not here ({name}); set ISODOSE_SHARED to their folder")
    return json.loads(path.read_text(encoding="utf-8"))
