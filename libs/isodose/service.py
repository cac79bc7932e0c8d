"""The application of a service: one composition of routes, access and telemetry around its life.

A service says what it is made of in a `Service`; `build_app` makes the application of it. No thread runs
before the application's lifespan is entered; leaving it stops the threads and closes what was opened.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from isodose import openapi
from isodose.cds_hooks import described as cds_described
from isodose.cds_hooks.ehr import EhrServers
from isodose.cds_hooks.models import Feedback
from isodose.cds_hooks.replay import memory_of
from isodose.cds_hooks.router import cds_router
from isodose.cds_hooks.trust import CdsTrust, clients_in
from isodose.events import contract
from isodose.fhir import shapes
from isodose.fhir.request_id import RequestId
from isodose.fhir.rest import fhir_router, install_error_handlers
from isodose.probes import probes
from isodose.running import Running, Service
from isodose.security.gate import Gate, GateError
from isodose.security.listening import OpenDoorError, refuse_open_door
from isodose.settings import Settings
from isodose.storage.database import Database, SchemaMismatch
from isodose.telemetry import Observed, Telemetry
from isodose.work import Work

__all__ = ["RefusalError", "Running", "Service", "Work", "build_app", "described", "refuse"]

_log = logging.getLogger("isodose.service")


class RefusalError(Exception):
    """A service does not start; the message says why in one line."""


def systems(settings: Settings) -> tuple[str, str]:
    """What the log and the database of a service are, by the names that spans give them."""
    log = "kafka" if settings.event_log_url.startswith("kafka:") else "sqlite"
    return log, make_url(settings.database_url).get_backend_name()


def refuse(service: Service, settings: Settings) -> None:
    """Raise `RefusalError` where `service` must not start with these settings."""
    try:
        refuse_open_door(settings.auth, settings.host)
        Gate(settings)
        if service.keeps_state:
            database = Database(settings.database_url)
            try:
                database.check_schema()
            finally:
                database.dispose()
    except (OpenDoorError, SchemaMismatch, ValueError) as error:
        raise RefusalError(f"{service.name} does not start: {error}") from error
    except SQLAlchemyError as error:
        url = make_url(settings.database_url).render_as_string(hide_password=True)
        raise RefusalError(
            f"{service.name} does not start: {url} cannot be opened; "
            f"see whether it can be reached, and make what it needs by: isodose migrate {service.name}"
        ) from error


def build_app(service: Service, settings: Settings, telemetry: Telemetry | None = None) -> FastAPI:
    """The application of one service; `settings` are completed for it. `app.state.running` is its `Running`.

    Raises `RefusalError` for `auth none` on a reachable address; entering the lifespan, for a wrong schema.
    """
    settings = settings.for_service(service.name, service.port)
    own = telemetry or Telemetry(settings.otlp_endpoint)
    signals = own.of(service.name, *systems(settings))
    try:
        refuse_open_door(settings.auth, settings.host)
        gate = Gate(settings)
        running = Running(service, settings, signals) if service.keeps_state else None
        trust = cds_trust(settings, running.database if running is not None else None)
    except (OpenDoorError, GateError) as error:
        raise RefusalError(f"{service.name} does not start: {error}") from error

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if running is not None:
            try:
                await run_in_threadpool(running.start)
            except SchemaMismatch as error:
                raise RefusalError(f"{service.name} does not start: {error}") from error
        _log.info("started", extra={"service": service.name})
        if settings.demonstration_day is not None:
            _log.warning(
                f"every decision is made for {settings.demonstration_day}", extra={"service": service.name}
            )
        try:
            yield
        finally:
            if service.close is not None:
                await service.close()
            if running is not None:
                await run_in_threadpool(running.stop)
            if telemetry is None:
                own.close()
            _log.info("stopped", extra={"service": service.name})

    app = FastAPI(title=service.title, description=service.description, lifespan=lifespan, openapi_url=None)
    gate.install(app, cds_judges=trust is not None)
    if service.door is not None and running is not None:
        door = service.door(running)
        app.add_middleware(door.cls, *door.args, **door.kwargs)
    app.add_middleware(RequestId)
    app.add_middleware(Observed, signals=signals)
    app.state.running = running
    app.state.settings = settings
    app.state.telemetry = own
    install_error_handlers(app)
    app.include_router(_probes(service, settings, app, own))
    if running is not None:
        app.include_router(_fhir(service, running))
        if service.cds_services:
            app.include_router(_cds(service, running, trust))
        if service.own_routes is not None:
            app.include_router(service.own_routes(running))
    for router in service.routers:
        app.include_router(router)
    return app


def _probes(service: Service, settings: Settings, app: FastAPI, telemetry: Telemetry) -> APIRouter:
    running: Running | None = app.state.running

    def exposition() -> bytes:
        if running is not None:
            running.measure()
        return telemetry.exposition()

    problems = running.problems if running is not None else list
    return probes(service.name, problems, exposition, lambda: described(app, settings))


def described(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of the routes of `app`."""
    return openapi.document(
        app.routes,
        title=app.title,
        description=app.description,
        url=settings.public_url,
        closed=settings.auth == "smart",
        schemas=shapes.schemas() | cds_described.schemas(),
    )


def _fhir(service: Service, running: Running) -> APIRouter:
    return fhir_router(
        running.transaction,
        base=f"{running.settings.public_url}/fhir",
        title=service.title,
        on_written=service.on_written,
        operations=service.operations,
        open_reading=running.reading,
        max_bytes=running.settings.max_body_bytes,
        witness=running.witness,
        smart=running.gate.configuration(),
        canonical=running.settings.canonical_base,
        others=[url for url in (running.settings.ehr_fhir_url, *running.settings.ehr_fhir_servers) if url],
        admissions=service.admissions,
        judge=service.judge,
        read_only={"Subscription"} - service.admissions.keys(),
        topics=service.topics,
    )


def cds_trust(settings: Settings, database: Database | None = None) -> CdsTrust | None:
    """Whose CDS calls are taken; None where calls need not be signed. Replicas that share the database know
    together which tokens were used. Raises `GateError`.
    """
    if settings.cds_clients_file is None:
        return None
    try:
        clients = clients_in(settings.cds_clients_file)
    except ValueError as error:
        raise GateError(str(error)) from error
    services, memory = Gate(settings).services, memory_of(database)
    return CdsTrust(clients, settings.cds_url, services, memory=memory)


def _cds(service: Service, running: Running, trust: CdsTrust | None) -> APIRouter:
    settings = running.settings

    def keep(service_id: str, feedback: Sequence[Feedback]) -> None:
        with running.transaction() as work:
            for one in feedback:
                data = one.model_dump(mode="json", by_alias=True, exclude_none=True) | {"service": service_id}
                work.outbox.add(
                    "isodose.card-feedback.v1", one.card, contract.card_feedback(service.name, data)
                )

    def recall(keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], dict[str, Any]]:
        try:
            with running.reading() as work:
                found = work.resources.get_many(keys)
        except SQLAlchemyError:
            _log.warning("a card was answered without what is kept", extra={"service": service.name})
            return {}
        return {key: stored.resource() for key, stored in found.items() if not stored.deleted}

    return cds_router(
        service.cds_services,
        keep,
        EhrServers(settings.ehr_fhir_servers),
        today=settings.today,
        worklist_url=lambda patient_id: f"{settings.worklist_url}/Patient/{patient_id}",
        recall=recall,
        ehr_timeout_s=settings.ehr_timeout_s,
        max_body_bytes=settings.max_body_bytes,
        trust=trust,
        witness=running.audit.add,
    )
