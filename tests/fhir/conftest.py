"""A FHIR server over a database of the test's own, and resources to send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, text

from isodose.fhir.rest import fhir_router, install_error_handlers
from isodose.fhir.store import ResourceStore
from isodose.fhir.stored import Stored
from isodose.storage.database import Database

BASE = "http://ehr.test/fhir"
JSON = {"content-type": "application/fhir+json"}


@dataclass
class Work:
    conn: Connection
    resources: ResourceStore


@dataclass
class Server:
    """The API without a network; `written` keeps what `on_written` was told, transaction by transaction."""

    database: Database
    written: list[list[str]] = field(default_factory=list)

    @contextmanager
    def work(self) -> Iterator[Work]:
        with self.database.begin() as conn:
            yield Work(conn, ResourceStore(conn, BASE))

    @contextmanager
    def reading(self) -> Iterator[Work]:
        with self.database.read() as conn:
            yield Work(conn, ResourceStore(conn, BASE))

    def app(self, **options: Any) -> FastAPI:
        def on_written(_work: Work, stored: list[Stored]) -> None:
            self.written.append([one.reference for one in stored])

        app = FastAPI()
        install_error_handlers(app)
        app.include_router(
            fhir_router(
                self.work,
                base=BASE,
                title="Test",
                on_written=on_written,
                open_reading=self.reading,
                **options,
            )
        )
        return app

    def stored(self) -> int:
        """Rows in all tables of the store: what a refused request must leave as it was."""
        tables = ("resource", "resource_version", "search_index", "conditional_identity")
        with self.database.read() as conn:
            counts = [conn.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables]
        return sum(counts)


class Client:
    """Sends requests to the app in this process; one event loop per request keeps it usable from threads."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes | None) else orjson.dumps(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ehr.test") as http:
                return await http.request(
                    method, f"/fhir{path}", content=content, headers={**(JSON if content else {}), **given}
                )

        return anyio.run(call)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.send("DELETE", path, **headers)

    def ids(self, path: str) -> list[str]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


@pytest.fixture
def server(database: Database) -> Server:
    return Server(database)


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.app())


@pytest.fixture
def local(new_sqlite: Callable[[], str]) -> Iterator[Server]:
    """On SQLite only, for what does not depend on the database."""
    database = Database(new_sqlite())
    yield Server(database)
    database.dispose()


@pytest.fixture
def local_client(local: Server) -> Client:
    return Client(local.app())


def patient(id: str = "p1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"family": "Muster", "given": ["Eva"]}], **more}


def observation(id: str = "o1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-03-14",
        **more,
    }


def entry(resource: dict[str, Any], method: str = "PUT", full_url: str | None = None, **request: str) -> Any:
    url = resource["resourceType"] if method == "POST" else f"{resource['resourceType']}/{resource['id']}"
    made = {"resource": resource, "request": {"method": method, "url": url, **request}}
    return {"fullUrl": full_url, **made} if full_url else made


def transaction(*entries: Any, kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


class Make:
    """The resources and bundles above, for test modules, which cannot import from here."""

    patient = staticmethod(patient)
    observation = staticmethod(observation)
    entry = staticmethod(entry)
    transaction = staticmethod(transaction)


@pytest.fixture
def make() -> Make:
    return Make()
