"""Every service behind one address: each path goes to the service that owns it.

A mounted application does not run its lifespan, so each service's lifespan is entered here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import orjson
from fastapi import FastAPI, Request, Response

import worklist.app
from all_in_one.composition import PREFIXES, SERVICES, together
from isodose.cds_hooks.hook import discovery
from isodose.fhir.rest import install_error_handlers
from isodose.security.gate import allow_origins
from isodose.service import Running, Service, build_app, cds_trust
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.telemetry import Telemetry

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class AllInOne:
    """ASGI: the five services in one process. `apps` are the services' own applications by name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = together(settings)
        self.telemetry = Telemetry(settings.otlp_endpoint)
        self.services: dict[str, Service] = {
            name: make(self.settings[name]) for name, make in SERVICES.items()
        }
        self.services["worklist"] = worklist.app.service(
            self.settings["worklist"], transport=httpx.ASGITransport(self)
        )
        self.apps: dict[str, FastAPI] = {
            name: build_app(service, self.settings[name], self.telemetry)
            for name, service in self.services.items()
        }
        self.cds_owner = {
            cds.id: name for name, service in self.services.items() for cds in service.cds_services
        }
        self._own = _front(self)

    def running(self) -> Mapping[str, Running]:
        """The services that keep state."""
        found = {name: app.state.running for name, app in self.apps.items()}
        return {name: running for name, running in found.items() if running is not None}

    def migrate(self) -> None:
        """Bring every SQLite file to this version's schema, making the directory where it is not there."""
        for name, settings in self.settings.items():
            if self.services[name].keeps_state:
                settings.data_dir.mkdir(parents=True, exist_ok=True)
                database = Database(settings.database_url)
                database.migrate()
                database.dispose()

    def lifespan(self) -> AbstractAsyncContextManager[Any]:
        """Starts every service on entering and stops them on leaving; a server does this itself."""
        return self._own.router.lifespan_context(self._own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._own(scope, receive, send)
            return
        app, prefix = self._owner(scope["path"])
        if prefix:
            scope = dict(scope, root_path=scope.get("root_path", "") + prefix)
        await app(scope, receive, send)

    def _owner(self, path: str) -> tuple[ASGIApp, str]:
        first, _, rest = path.lstrip("/").partition("/")
        if first in ("fhir", "patient-record", "notifications"):
            return self.apps["ehr_ingestion"], ""
        if first == "worklist":
            return self.apps["worklist"], ""
        if first == "cds-services" and rest:
            return self.apps[self.cds_owner.get(rest.split("/")[0], "eligibility_scoring")], ""
        for name, prefix in PREFIXES.items():
            if prefix == f"/{first}":
                return self.apps[name], prefix
        return self._own, ""


def _front(whole: AllInOne) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(whole.telemetry.close)
            for app in whole.apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    app = FastAPI(title="Isodose", lifespan=lifespan, openapi_url=None)
    settings = whole.settings["worklist"]
    trust = cds_trust(settings)
    allow_origins(app, settings)
    install_error_handlers(app)
    listing = orjson.dumps(discovery([cds for s in whole.services.values() for cds in s.cds_services]))

    @app.get("/")
    def index() -> Response:
        return Response(_index(whole), media_type="text/html; charset=utf-8")

    @app.get("/cds-services")
    def discover(request: Request) -> Response:
        if trust is not None:
            trust.check(request.headers.get("authorization"), "/cds-services")
        return Response(listing, media_type="application/json")

    @app.get("/healthz")
    def alive() -> Response:
        return _json({"service": "all_in_one", "status": "alive"})

    @app.get("/readyz")
    def ready() -> Response:
        problems = {name: running.problems() for name, running in whole.running().items()}
        is_ready = not any(problems.values())
        status = {
            "service": "all_in_one",
            "status": "ready" if is_ready else "not ready",
            "problems": problems,
        }
        return _json(status, 200 if is_ready else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        for running in whole.running().values():
            running.measure()
        return Response(whole.telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _index(whole: AllInOne) -> str:
    links = [("/worklist", "Worklist", "patients with leading option, next MRI and open alerts")]
    links += [
        (f"{PREFIXES[name]}/fhir/metadata", service.title, service.description)
        for name, service in whole.services.items()
        if name != "worklist"
    ]
    links += [
        ("/cds-services", "CDS Hooks", "the CDS services offered to an EHR"),
        ("/readyz", "Readiness", ""),
    ]
    rows = "".join(f'<li><a href="{path}">{title}</a> {text}</li>' for path, title, text in links)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Isodose</title></head>'
        f"<body><h1>Isodose</h1><ul>{rows}</ul></body></html>"
    )


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
