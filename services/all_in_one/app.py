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
from isodose.cds_hooks import described as cds
from isodose.cds_hooks.hook import discovery
from isodose.fhir.rest import install_error_handlers
from isodose.openapi import answer as answers
from isodose.openapi import described as told
from isodose.openapi import operation
from isodose.probes import probes
from isodose.security.gate import allow_origins
from isodose.service import Running, Service, build_app, cds_trust, described
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
            offered.id: name for name, service in self.services.items() for offered in service.cds_services
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
        app, prefix = self.owner(scope["path"])
        if prefix:
            scope = dict(scope, root_path=scope.get("root_path", "") + prefix)
        await app(scope, receive, send)

    def owner(self, path: str) -> tuple[ASGIApp, str]:
        """The application that answers this path, and the prefix that it does not know of."""
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

    app = FastAPI(
        title="Isodose", description="Every service in one process", lifespan=lifespan, openapi_url=None
    )
    settings = whole.settings["worklist"]
    trust = cds_trust(settings)
    allow_origins(app, settings)
    install_error_handlers(app)
    listing = orjson.dumps(
        discovery([offered for s in whole.services.values() for offered in s.cds_services])
    )

    @app.get("/", openapi_extra=_INDEX)
    def index() -> Response:
        return Response(_index(whole), media_type="text/html; charset=utf-8")

    @app.get("/cds-services", openapi_extra=cds.DISCOVERY)
    def discover(request: Request) -> Response:
        if trust is not None:
            trust.check(request.headers.get("authorization"), "/cds-services")
        return Response(listing, media_type="application/json")

    app.include_router(
        probes(
            "all_in_one", lambda: _problems(whole), lambda: _exposition(whole), lambda: _described(whole, app)
        )
    )
    return app


def _problems(whole: AllInOne) -> dict[str, list[str]]:
    return {name: running.problems() for name, running in whole.running().items()}


def _exposition(whole: AllInOne) -> bytes:
    for running in whole.running().values():
        running.measure()
    return whole.telemetry.exposition()


def _described(whole: AllInOne, front: FastAPI) -> dict[str, Any]:
    """One OpenAPI document of what is reached under the one address, each path as it is asked for there."""
    document = described(front, whole.settings["ehr_ingestion"])
    for name, app in whole.apps.items():
        for path, methods in described(app, whole.settings[name])["paths"].items():
            if whole.owner(f"{PREFIXES[name]}{path}")[0] is app:
                document["paths"][f"{PREFIXES[name]}{path}"] = methods
    for path, said in (("", cds.call(whole.cds_owner)), ("/feedback", cds.feedback(whole.cds_owner))):
        document["paths"][f"/cds-services/{{service_id}}{path}"] = {"post": said["POST"]}
    return document


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


_INDEX = told(
    get=operation(
        "What is here", {"200": answers("A page", "text/html", {"type": "string"})}, tag="pages", is_open=True
    )
)
