"""What one service tells of its work: a span and a count for each thing done, named by what it is.

Span names and attributes follow OpenTelemetry's conventions for HTTP, databases and messaging
(https://opentelemetry.io/docs/specs/semconv/), without those that would name a patient: no path, no query,
no message key, no statement.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, Tracer, use_span
from prometheus_client import generate_latest

from isodose.telemetry.metrics import Metrics
from isodose.telemetry.traces import Traces, context_of, current_traceparent, traceparent_of


class Message(Protocol):
    """What is seen of a published record."""

    @property
    def topic(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A request under way to another service."""

    span: Span
    traceparent: str | None

    @property
    def headers(self) -> dict[str, str]:
        return {"traceparent": self.traceparent} if self.traceparent else {}

    def answered(self, status: int) -> None:
        if self.span.is_recording():
            self.span.set_attribute("http.response.status_code", status)
            if status >= 400:
                self.span.set_attribute("error.type", str(status))
                self.span.set_status(StatusCode.ERROR)


class Telemetry:
    """Metrics and traces of one process; `of` gives each service its own part of them."""

    def __init__(self, otlp_endpoint: str = "") -> None:
        self.metrics = Metrics()
        self._traces = Traces(otlp_endpoint)

    def of(self, service: str, messaging: str = "", database: str = "") -> Signals:
        """The signals of `service`, whose log and database are named as the conventions name systems."""
        return Signals(service, self.metrics, self._traces, messaging, database)

    def exposition(self) -> bytes:
        """All metrics in Prometheus text format."""
        return generate_latest(self.metrics.registry)

    def close(self) -> None:
        """Send what is left and stop."""
        self._traces.close()


class Signals:
    """Spans and counts of one service."""

    def __init__(
        self, service: str, metrics: Metrics, traces: Traces, messaging: str = "", database: str = ""
    ) -> None:
        self.service = service
        self.metrics = metrics
        self._sent = traces.sent
        self._tracer: Tracer = traces.tracer(service)
        self._messaging = messaging
        self._database = database

    def begin(self, topics: Iterable[str]) -> None:
        """Counts that alerts watch begin at 0: Prometheus sees an increase only of what was there before."""
        for topic in topics:
            for outcome in ("handled", "failed"):
                self.metrics.events.labels(self.service, topic, outcome)
        self.metrics.decisions.labels(self.service, "failed")

    @contextmanager
    def answering(self, method: str, traceparent: str | None, scheme: str) -> Iterator[Span]:
        """The span of a request; its route and status are known when it ends."""
        if not self._sent and traceparent is None:
            with _active(self):
                yield INVALID_SPAN
            return
        span = self._tracer.start_span(
            _named(method),
            context_of(traceparent),
            SpanKind.SERVER,
            {"http.request.method": method, "url.scheme": scheme},
        )
        with _active(self), _current(span):
            yield span

    def answered(self, span: Span, method: str, route: str, status: int, seconds: float) -> None:
        self.metrics.requests.labels(self.service, method, route, str(status)).inc()
        self.metrics.request_seconds.labels(self.service, route).observe(seconds)
        if not span.is_recording():
            return
        span.set_attribute("http.response.status_code", status)
        if route != "unmatched":
            span.update_name(f"{_named(method)} {route}")
            span.set_attribute("http.route", route)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)

    @contextmanager
    def calling(self, method: str, host: str, port: int | None) -> Iterator[Call]:
        """A request to another service, in the current trace; it is told which trace that is."""
        if not self._sent:
            yield Call(INVALID_SPAN, current_traceparent())
            return
        attributes: dict[str, str | int] = {"http.request.method": method, "server.address": host}
        if port is not None:
            attributes["server.port"] = port
        span = self._tracer.start_span(method, kind=SpanKind.CLIENT, attributes=attributes)
        with _current(span):
            yield Call(span, traceparent_of(span))

    @contextmanager
    def transaction(self, operation: str) -> Iterator[None]:
        """A transaction on the service's database, in the current trace."""
        if not self._sent:
            yield
            return
        attributes = {
            "db.system.name": self._database,
            "db.namespace": self.service,
            "db.operation.name": operation,
        }
        span = self._tracer.start_span(
            f"{operation} {self.service}", kind=SpanKind.CLIENT, attributes=attributes
        )
        with _current(span):
            yield

    def published(self, messages: Sequence[Message], created: Sequence[dt.datetime], started_ns: int) -> None:
        """The log acknowledged these messages, whose rows were `created` then; sending `started_ns`."""
        now = time.time()
        waited = self.metrics.publish_wait.labels(self.service)
        for at in created:
            waited.observe(now - at.replace(tzinfo=at.tzinfo or dt.UTC).timestamp())
        for topic, count in Counter(message.topic for message in messages).items():
            self.metrics.published.labels(self.service, topic).inc(count)
        if not self._sent:
            return
        for message in messages:
            parent = context_of(message.headers.get("traceparent"))
            attributes = self._on(message.topic, "send")
            self._tracer.start_span(
                f"send {message.topic}", parent, SpanKind.PRODUCER, attributes, start_time=started_ns
            ).end()

    @contextmanager
    def handling(
        self, topic: str, came: Sequence[tuple[str | None, dt.datetime]]
    ) -> Iterator[Sequence[str | None]]:
        """Events of one topic handled together, by `traceparent` and time; yields what each hands on.

        Each event has a span in its own trace; a single one is the current span meanwhile.
        """
        service, metrics, outcome = self.service, self.metrics, "failed"
        spans = [self._processing(topic, parent) for parent, _ in came] if self._sent else []
        try:
            alone = _current(spans[0], end=False) if len(spans) == 1 else nullcontext()
            with _active(self), metrics.event_seconds.labels(service, topic).time(), alone:
                yield [traceparent_of(span) for span in spans] or [parent for parent, _ in came]
            outcome = "handled"
            now, age = time.time(), metrics.event_age.labels(service, topic)
            for _, at in came:
                age.observe(max(now - at.timestamp(), 0))
        except BaseException as error:
            for span in spans:
                _fail(span, error)
            raise
        finally:
            metrics.events.labels(service, topic, outcome).inc(len(came))
            for span in spans:
                span.end()

    @contextmanager
    def deciding(self, traceparent: str | None = None) -> Iterator[list[str]]:
        """One decision, in the trace of `traceparent` or else the current one; verdicts go into the list."""
        span = None
        if self._sent:
            parent = context_of(traceparent) if traceparent else None
            span = self._tracer.start_span(f"decide {self.service}", parent)
        verdicts: list[str] = []
        outcome = "failed"
        try:
            yield verdicts
            outcome = "data-required" if "unknown" in verdicts else "complete"
        except BaseException as error:
            _fail(span, error)
            raise
        finally:
            self.metrics.decisions.labels(self.service, outcome).inc()
            counted = Counter(verdicts)
            for verdict, count in counted.items():
                self.metrics.findings.labels(self.service, verdict).inc(count)
            if span is not None:
                span.set_attribute("isodose.decision.outcome", outcome)
                span.set_attributes({f"isodose.findings.{verdict}": n for verdict, n in counted.items()})
                span.end()

    def carded(self, cds: str, indicators: Iterable[str]) -> None:
        """Cards of these indicators were answered by a CDS service."""
        for indicator in indicators:
            self.metrics.cards.labels(self.service, cds, indicator).inc()

    def _processing(self, topic: str, traceparent: str | None) -> Span:
        attributes = self._on(topic, "process") | {"messaging.consumer.group.name": self.service}
        return self._tracer.start_span(
            f"process {topic}", context_of(traceparent), SpanKind.CONSUMER, attributes
        )

    def _on(self, topic: str, operation: str) -> dict[str, str]:
        return {
            "messaging.system": self._messaging,
            "messaging.destination.name": topic,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
        }


def observing() -> Signals:
    """The signals of the service whose request or event is handled here; inert ones outside of that."""
    return _now.get() or _INERT


@contextmanager
def _active(signals: Signals) -> Iterator[None]:
    token = _now.set(signals)
    try:
        yield
    finally:
        _now.reset(token)


@contextmanager
def _current(span: Span, end: bool = True) -> Iterator[None]:
    with use_span(span, end_on_exit=end, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except BaseException as error:
            _fail(span, error)
            raise


def _named(method: str) -> str:
    return "HTTP" if method == "_OTHER" else method


def _fail(span: Span | None, error: BaseException) -> None:
    """Mark a span as failed by the kind of error alone: a message may quote values."""
    if span is not None and span.is_recording():
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR))


_now: ContextVar[Signals | None] = ContextVar("isodose_signals", default=None)
_INERT = Signals("", Metrics(), Traces())
