"""What every service shares: one composition of routes, database, log, relay and consumer, and its life.

A service says what it is made of in a `Service`; `build_app` makes the application of it. No thread runs
before the application's lifespan is entered; leaving it stops the threads and closes what was opened.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from isodose import openapi
from isodose.assessment import Decider, Population, Renewal, keep_knowledge
from isodose.assessment.published import words_of
from isodose.cds_hooks import described as cds_described
from isodose.cds_hooks.ehr import EhrServers
from isodose.cds_hooks.hook import CdsService
from isodose.cds_hooks.models import Feedback
from isodose.cds_hooks.router import cds_router
from isodose.cds_hooks.trust import CdsTrust, clients_in
from isodose.erasure import AlsoErased, Eraser
from isodose.events import contract, dead_letters, jobs
from isodose.events.consumer import Claims, Consumer, Handler
from isodose.events.contract import Event
from isodose.events.log import LogUnavailable, log_of
from isodose.events.outbox import Relay, waiting
from isodose.fhir import shapes
from isodose.fhir.conformance import operation_definitions, search_parameters
from isodose.fhir.errors import OvertakenError
from isodose.fhir.exchange import Deed
from isodose.fhir.request_id import RequestId
from isodose.fhir.rest import Operation, fhir_router, install_error_handlers
from isodose.fhir.store import Admission
from isodose.fhir.stored import Stored
from isodose.probes import probes
from isodose.security import audit
from isodose.security.audit import AuditLog
from isodose.security.callers import CALLER
from isodose.security.gate import Gate, GateError
from isodose.security.listening import OpenDoorError, refuse_open_door
from isodose.settings import Settings
from isodose.storage.database import Database, SchemaMismatch
from isodose.telemetry import Observed, Signals, Telemetry, Traced
from isodose.telemetry.metrics import Metrics
from isodose.work import Work, work_at

__all__ = ["RefusalError", "Running", "Service", "Work", "build_app", "described", "refuse"]

_log = logging.getLogger("isodose.service")


class RefusalError(Exception):
    """A service does not start; the message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What one service is made of.

    `definitions` are resources that are the same for every patient, stored when it starts. `handlers` are by
    topic; `operations` are those of its FHIR API; `on_written` is called in the transaction of every FHIR
    write with what was written; `own_routes` makes routes that need the service's state, `jobs` the
    handlers of what is to be done at other systems, by kind; `measure` brings its own gauges up to date.
    `admissions` judge what is written, by type (without one, nobody may write a Subscription), `topics` are
    what may be subscribed to. `door` stands before the guard that asks for tokens; a tombstone in the topics
    `erased_by` erases what a service without decisions keeps of a patient. A service that keeps no state has
    `routers` alone: no FHIR API, no database, no log.
    """

    name: str
    title: str
    port: int
    description: str = ""
    decider: Decider | None = None
    definitions: Sequence[dict[str, Any]] = ()
    cds_services: Sequence[CdsService] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    operations: Sequence[Operation] = ()
    admissions: Mapping[str, Admission] = field(default_factory=dict)
    topics: Sequence[str] = ()
    on_written: Callable[[Work, Sequence[Stored]], None] | None = None
    routers: Sequence[APIRouter] = ()
    own_routes: Callable[[Running], APIRouter] | None = None
    door: Callable[[Running], Middleware] | None = None
    jobs: Callable[[Running], Mapping[str, jobs.Handler]] | None = None
    also_erased: AlsoErased | None = None
    measure: Callable[[Connection, Metrics], None] | None = None
    erased_by: Sequence[str] = ()
    keeps_state: bool = True


class Running:
    """Database, log and threads of one service between start and stop."""

    def __init__(self, service: Service, settings: Settings, signals: Signals, member_of: str = "") -> None:
        self.service = service
        self.settings = settings
        self.signals = signals
        self.database = Database(settings.database_url)
        self.work = work_at(f"{settings.public_url}/fhir")
        self.gate = Gate(settings)
        self.leaving = threading.Event()
        """Set when the process is about to stop: what waits for something gives up."""
        self.audit = AuditLog(self.database, service.name, audit_key(settings), settings.canonical_base)
        self.eraser = Eraser(service.name, audit_key(settings), service.also_erased, settings.canonical_base)
        self.log = log_of(settings)
        signals.begin(service.handlers)
        self.relay = Relay(self.database, self.log, settings.relay_interval_s, signals.published)
        self.consumer = Consumer(
            group=service.name,
            database=self.database,
            log=self.log,
            handlers={topic: self._observed(topic, handler) for topic, handler in service.handlers.items()},
            work=self.work,
            retries=settings.handler_attempts,
            backoff=settings.handler_backoff_s,
            claims=claims_at(settings.ehr_ingestion_url, lambda: self.gate.authorization(service.name)),
            committed=self._handled,
            member_of=member_of,
            buried=self.eraser.on_tombstone()
            if service.decider
            else self.eraser.on_tombstone(service.erased_by, ()),
        )
        handlers = service.jobs(self) if service.jobs is not None else {}
        self.jobs = jobs.JobRunner(self.database, handlers) if handlers else None
        decider = service.decider
        self._population = Population(service.name, signals.metrics) if decider else None
        self.renewal = Renewal(decider, self.transaction, self.reading) if decider else None

    def open(self) -> None:
        """Make sure of the schema, and store what the service defines. Raises `SchemaMismatch`."""
        self.database.check_schema()
        self._define()

    def start(self) -> None:
        self.open()
        self.audit.start()
        self.relay.start()
        if self.service.handlers:
            self.consumer.start()
        if self.jobs is not None:
            self.jobs.start()
        if self.renewal is not None:
            self.renewal.start()

    def _define(self) -> None:
        """Store the definitions of the service; another replica that does it meanwhile does no harm."""
        base, service = self.settings.canonical_base, self.service
        definitions = [
            *search_parameters(base),
            *operation_definitions(base, service.operations),
            *audit.words(base),
            *(words_of(service.decider) if service.decider else ()),
            *service.definitions,
        ]
        for attempt in (1, 2):
            try:
                with self.transaction() as work:
                    work.resources.put_shared(definitions)
                    if service.decider:
                        keep_knowledge(work, service.decider)
                return
            except (IntegrityError, OvertakenError):
                if attempt == 2:
                    raise

    def stop(self) -> None:
        if self.service.handlers:
            self.consumer.stop()
        if self.jobs is not None:
            self.jobs.stop()
        if self.renewal is not None:
            self.renewal.stop()
        self.relay.stop()
        self.audit.stop()
        self.log.close()
        self.database.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Work]:
        """One write transaction; its events leave and its jobs begin as soon as it has committed."""
        with self.signals.transaction("transaction"), self.database.begin() as conn:
            yield self.work(conn)
        self._committed()

    def _committed(self) -> None:
        self.relay.wake()
        if self.jobs is not None:
            self.jobs.wake()

    def _handled(self) -> None:
        """Besides, a day may have started."""
        self._committed()
        if self.renewal is not None:
            self.renewal.wake()

    @contextmanager
    def reading(self) -> Iterator[Work]:
        with self.signals.transaction("snapshot"), self.database.read() as conn:
            yield self.work(conn)

    def problems(self) -> list[str]:
        """Why this service is not ready, in a few words each; empty when it is."""
        checks: dict[str, Callable[[], object]] = {
            "database or schema": self.database.check_schema,
            "event log": self.log.check,
        }
        found = [name for name, check in checks.items() if not _succeeds(check)]
        found += _state("relay", self.relay)
        if self.service.handlers:
            found += _state("consumer", self.consumer)
        if self.jobs is not None:
            found += _state("jobs", self.jobs)
        if self.renewal is not None:
            found += _state("renewal", self.renewal)
        return found

    def is_behind(self) -> bool:
        """Whether events do not arrive: what is kept of them may be older than what others know."""
        return not self.consumer.is_alive() or self.consumer.last_error is not None

    def witness(self, request: Request, deed: Deed) -> None:
        """Take down who asked for what."""
        self.audit.add(deed, request.scope.get(CALLER), request.client.host if request.client else "")

    def measure(self) -> None:
        """Bring the gauges that are read from the database and the consumer up to date."""
        metrics, name = self.signals.metrics, self.service.name
        with self.database.read() as conn:
            count, age = waiting(conn)
            metrics.unpublished.labels(name).set(count)
            metrics.outbox_age.labels(name).set(age.total_seconds())
            metrics.dead_letters.labels(name).set(dead_letters.count(conn))
            if self._population is not None:
                self._population.measure(self.work(conn))
            stand = jobs.standing(conn, self.jobs.kinds) if self.jobs is not None else {}
            if self.service.measure is not None:
                self.service.measure(conn, metrics)
        for kind, one in stand.items():
            metrics.jobs_waiting.labels(name, kind).set(one.waiting)
            metrics.jobs_oldest.labels(name, kind).set(one.oldest.total_seconds())
            metrics.jobs_failed.labels(name, kind).set(one.failed)
        for topic, behind in self.consumer.lag().items():
            metrics.lag.labels(name, topic).set(behind)

    def _observed(self, topic: str, handler: Handler) -> Handler:
        def observed(work: Work, events: Sequence[Event]) -> None:
            came = [(event.traceparent, event.time) for event in events]
            with self.signals.handling(topic, came) as going:
                handler(work, [_traced(event, own) for event, own in zip(events, going, strict=True)])

        return observed


def _traced(event: Event, traceparent: str | None) -> Event:
    same = event.traceparent == traceparent
    return event if same else msgspec.structs.replace(event, traceparent=traceparent)


def claims_at(url: str, authorization: Callable[[], Mapping[str, str]] = dict) -> Claims:
    """What an event was too large to carry, from the ehr_ingestion service at `url`.

    `authorization` are the headers by which that service knows who asks.
    """

    def claim(dataref: str) -> bytes:
        try:
            with httpx.Client(transport=Traced(), timeout=30, headers=authorization()) as http:
                answer = http.get(f"{url}/{dataref}").raise_for_status()
        except httpx.HTTPError as error:
            raise LogUnavailable(f"the data kept by ehr_ingestion: {type(error).__name__}") from error
        return answer.content

    return claim


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
        raise RefusalError(f"{service.name} does not start: {url} cannot be opened") from error


def build_app(service: Service, settings: Settings, telemetry: Telemetry | None = None) -> FastAPI:
    """The application of one service; `settings` are completed for it. `app.state.running` is its `Running`.

    Raises `RefusalError` for `auth none` on a reachable address; entering the lifespan, for a wrong schema.
    """
    settings = settings.for_service(service.name, service.port)
    own = telemetry or Telemetry(settings.otlp_endpoint)
    signals = own.of(service.name, *systems(settings))
    try:
        refuse_open_door(settings.auth, settings.host)
        gate, trust = Gate(settings), cds_trust(settings)
        running = Running(service, settings, signals) if service.keeps_state else None
    except (OpenDoorError, GateError) as error:
        raise RefusalError(f"{service.name} does not start: {error}") from error

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if running is not None:
            try:
                await run_in_threadpool(running.start)
            except SchemaMismatch as error:
                raise RefusalError(f"{service.name} does not start: {error}") from error
        gc.collect()
        gc.freeze()  # knowledge and code stay: collections need not look at them (a fifth less CPU per card)
        _log.info("started", extra={"service": service.name})
        if settings.demonstration_day is not None:
            _log.warning(
                f"every decision is made for {settings.demonstration_day}", extra={"service": service.name}
            )
        try:
            yield
        finally:
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
        read_only={"Subscription"} - service.admissions.keys(),
        topics=service.topics,
    )


def cds_trust(settings: Settings) -> CdsTrust | None:
    """Whose CDS calls are taken; None where calls need not be signed. Raises `GateError`."""
    if settings.cds_clients_file is None:
        return None
    try:
        clients = clients_in(settings.cds_clients_file)
    except ValueError as error:
        raise GateError(str(error)) from error
    return CdsTrust(clients, settings.cds_url, Gate(settings).services)


def audit_key(settings: Settings) -> bytes | None:
    """The secret of the audit chain. Raises `GateError` for a file that cannot be read."""
    try:
        return settings.audit_key_file.read_bytes().strip() if settings.audit_key_file else None
    except OSError as error:
        raise GateError(f"{settings.audit_key_file}: {error.strerror}") from error


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


def _state(name: str, worker: Relay | Consumer | Renewal | jobs.JobRunner) -> list[str]:
    if not worker.is_alive():
        return [f"{name} stopped"]
    return [f"{name} failing: {worker.last_error}"] if worker.last_error else []


def _succeeds(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:
        _log.warning("a readiness check failed", exc_info=True)
        return False
    return True
