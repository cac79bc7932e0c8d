"""What one service is made of, and its life: database, log and threads between start and stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from fastapi import APIRouter, Request
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.middleware import Middleware

from isodose.assessment import Decider, Population, Renewal, keep_knowledge
from isodose.assessment.published import words_of
from isodose.cds_hooks.hook import CdsService
from isodose.erasure import AlsoErased, Eraser
from isodose.events import dead_letters, jobs
from isodose.events.consumer import Buried, Claims, Consumer, Handler
from isodose.events.contract import Event
from isodose.events.log import LogUnavailable, log_of
from isodose.events.outbox import Relay, waiting
from isodose.events.worker import Worker
from isodose.fhir.conformance import operation_definitions, search_parameters
from isodose.fhir.errors import Issue, OvertakenError
from isodose.fhir.exchange import Deed
from isodose.fhir.rest import Operation
from isodose.fhir.store import Admission
from isodose.fhir.stored import Stored
from isodose.security import audit
from isodose.security.audit import AuditLog
from isodose.security.callers import CALLER
from isodose.security.gate import Gate, GateError
from isodose.settings import Settings
from isodose.storage.database import Database, is_transient
from isodose.telemetry import Signals, Traced
from isodose.telemetry.metrics import Metrics
from isodose.work import Work, work_at

OPENED_WITHIN_S = 20.0
"""A database that is away for longer keeps a service from starting."""
_log = logging.getLogger("isodose.service")


@dataclass(frozen=True, kw_only=True)
class Service:
    """What one service is made of.

    `definitions` are resources that are the same for every patient, stored when it starts. `handlers` are by
    topic; `operations` are those of its FHIR API; `on_written` is called in the transaction of every FHIR
    write with what was written; `own_routes` makes routes that need the service's state, `jobs` the
    handlers of what is to be done at other systems, by kind; `measure` brings its own gauges up to date.
    `admissions` judge what is written, by type (without one, nobody may write a Subscription), `judge` tells
    what is wrong with a version that was written, which refuses it, in a batch it alone; `topics` are what
    may be subscribed to. `door` stands before the guard that asks for tokens; a tombstone in the topics
    `erased_by` erases what a service without decisions keeps of a patient. A service that keeps no state has
    `routers` alone: no FHIR API, no database, no log. `close` closes what the service opened for itself.
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
    judge: Callable[[Work, Stored], Iterable[Issue]] | None = None
    topics: Sequence[str] = ()
    on_written: Callable[[Work, Sequence[Stored]], None] | None = None
    routers: Sequence[APIRouter] = ()
    own_routes: Callable[[Running], APIRouter] | None = None
    door: Callable[[Running], Middleware] | None = None
    jobs: Callable[[Running], Mapping[str, jobs.Handler]] | None = None
    also_erased: AlsoErased | None = None
    close: Callable[[], Awaitable[None]] | None = None
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
            buried=on_tombstones(service, settings),
        )
        handlers = service.jobs(self) if service.jobs is not None else {}
        self.jobs = jobs.JobRunner(self.database, handlers) if handlers else None
        decider = service.decider
        self._population = Population(service.name, signals.metrics) if decider else None
        self.renewal = Renewal(decider, self.transaction, self.reading) if decider else None
        consumer = self.consumer if service.handlers else None
        working = {"relay": self.relay, "consumer": consumer, "jobs": self.jobs, "renewal": self.renewal}
        self._workers: dict[str, Worker] = {name: one for name, one in working.items() if one is not None}

    def open(self) -> None:
        """Make sure of the schema, and store what the service defines. Raises `SchemaMismatch`.

        A database that is away for a moment is waited for.
        """
        until = time.monotonic() + OPENED_WITHIN_S
        while True:
            try:
                self.database.check_schema()
                self._define()
                return
            except SQLAlchemyError as error:
                if not is_transient(error) or time.monotonic() > until:
                    raise
                said = {"service": self.service.name, "error": type(error).__name__}
                _log.warning("the database is waited for", extra=said)
                self.leaving.wait(1.0)

    def start(self) -> None:
        self.open()
        self.audit.start()
        for worker in self._workers.values():
            worker.start()

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
        """The relay last: what the others still write, it still publishes."""
        for worker in reversed(self._workers.values()):
            worker.stop()
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
        return found + [said for name, worker in self._workers.items() for said in _state(name, worker)]

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


def on_tombstones(service: Service, settings: Settings) -> Mapping[str, Buried]:
    """What a service erases of the patients whose events end, by topic. Raises `GateError`."""
    eraser = Eraser(service.name, audit_key(settings), service.also_erased, settings.canonical_base)
    return eraser.on_tombstone() if service.decider else eraser.on_tombstone(service.erased_by, ())


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


def audit_key(settings: Settings) -> bytes | None:
    """The secret of the audit chain. Raises `GateError` for a file that cannot be read."""
    try:
        return settings.audit_key_file.read_bytes().strip() if settings.audit_key_file else None
    except OSError as error:
        raise GateError(f"{settings.audit_key_file}: {error.strerror}") from error


def _state(name: str, worker: Worker) -> list[str]:
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
