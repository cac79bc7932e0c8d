"""Logs, traces and metrics of one process, none of which ever carries patient data.

Logs are JSON lines. A logged exception keeps its types and frames; its message is left out, since messages
quote values. Traces follow W3C Trace Context (https://www.w3.org/TR/trace-context/).
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FIELDS = (
    "service",
    "method",
    "route",
    "status",
    "ms",
    "topic",
    "group",
    "attempt",
    "outcome",
    "count",
    "incident",
)
_propagator = TraceContextTextMapPropagator()
_log = logging.getLogger("isodose.http")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNTRACED = ("/healthz", "/readyz", "/metrics")


class JsonLines(logging.Formatter):
    """One JSON object a line, with the few named fields that never hold patient data."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace"] = trace.format_trace_id(span.trace_id)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return orjson.dumps(line, default=str).decode()


def describe(error: BaseException) -> list[str]:
    """An exception and its causes as types and frames; messages may quote values and are left out."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(type(seen).__qualname__)
        lines += [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(seen.__traceback__)]
        seen = seen.__cause__ or seen.__context__
    return lines


def configure_logging(level: str) -> None:
    """Send everything that is logged in this process to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for name in ("httpx", "httpcore", "kafka", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Telemetry:
    """The metrics and the tracer of one process. Services in one process share it; `service` is a label."""

    def __init__(self, otlp_endpoint: str = "", name: str = "isodose") -> None:
        self.registry = CollectorRegistry()
        self._provider: TracerProvider | None = None
        if otlp_endpoint:
            self._provider = TracerProvider(resource=Resource.create({"service.name": name}))
            exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = trace.get_tracer(
            "isodose", tracer_provider=self._provider or trace.NoOpTracerProvider()
        )
        r = self.registry
        self.requests = Counter(
            "isodose_http_requests",
            "HTTP requests answered",
            ("service", "method", "route", "status"),
            registry=r,
        )
        self.request_seconds = Histogram(
            "isodose_http_request_seconds", "Time to answer a request", ("service", "route"), registry=r
        )
        self.events = Counter(
            "isodose_events_handled",
            "Events handled, by outcome",
            ("service", "topic", "outcome"),
            registry=r,
        )
        self.event_seconds = Histogram(
            "isodose_event_seconds",
            "Time to handle the events of one transaction",
            ("service", "topic"),
            registry=r,
        )
        self.unpublished = Gauge(
            "isodose_outbox_unpublished",
            "Outbox rows not yet acknowledged by the log",
            ("service",),
            registry=r,
        )
        self.dead_letters = Gauge(
            "isodose_dead_letters", "Events set aside and not yet replayed", ("service",), registry=r
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus text format."""
        return generate_latest(self.registry)

    @contextmanager
    def span(self, name: str, traceparent: str | None = None, **attributes: str) -> Iterator[None]:
        """A span named `name`, continuing `traceparent` where one is given."""
        carrier = {"traceparent": traceparent} if traceparent else {}
        parent = _propagator.extract(carrier) if carrier else otel_context.get_current()
        started = self.tracer.start_as_current_span(
            name, context=parent, attributes=attributes, record_exception=False
        )
        with started:
            yield

    @contextmanager
    def handling(self, name: str, traceparent: str | None) -> Iterator[str | None]:
        """A span beside others, for one of several events handled together; yields its own `traceparent`."""
        carrier = {"traceparent": traceparent} if traceparent else {}
        span = self.tracer.start_span(name, context=_propagator.extract(carrier))
        own: dict[str, str] = {}
        _propagator.inject(own, trace.set_span_in_context(span))
        try:
            yield own.get("traceparent", traceparent)
        finally:
            span.end()

    def close(self) -> None:
        """Send what is left and stop."""
        if self._provider is not None:
            self._provider.shutdown()


def current_traceparent() -> str | None:
    """The `traceparent` of the current span, to be carried by an event; None outside a trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


class Observed:
    """ASGI: a span, a metric and a log line for each request, named by its route and never by its path."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, service: str) -> None:
        self._app = app
        self._telemetry = telemetry
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(_UNTRACED):
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._telemetry.span(f"{self._service} {scope['method']}", _traceparent(scope)):
                await self._app(scope, receive, watch)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Mapping[str, object], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = str(scope["method"]) if scope["method"] in _METHODS else "other"
        self._telemetry.requests.labels(self._service, method, route, str(status)).inc()
        self._telemetry.request_seconds.labels(self._service, route).observe(seconds)
        fields = {"service": self._service, "method": method, "route": route, "status": status}
        _log.info("answered", extra=fields | {"ms": round(seconds * 1000, 1)})


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value.decode("latin-1"))
    return None
