"""Spans by W3C Trace Context, sent over OTLP/HTTP; each service is a resource, also in one process.

https://www.w3.org/TR/trace-context/ and https://opentelemetry.io/docs/specs/semconv/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from isodose.telemetry.sending import Sender

_propagator = TraceContextTextMapPropagator()


class Traces:
    """Where the spans of one process go: to the collector at `otlp_endpoint`; without one, nowhere."""

    def __init__(self, otlp_endpoint: str = "") -> None:
        self._sender = _sender(otlp_endpoint) if otlp_endpoint else None

    @property
    def sent(self) -> bool:
        """Whether spans are recorded at all."""
        return self._sender is not None

    def tracer(self, service: str) -> trace.Tracer:
        if self._sender is None:
            return trace.NoOpTracerProvider().get_tracer("isodose")
        return self._sender.tracer(service)

    def close(self) -> None:
        """Send what is left and stop."""
        if self._sender is not None:
            self._sender.close()


def _sender(otlp_endpoint: str) -> Sender:
    from isodose.telemetry.sending import Sender  # noqa: PLC0415 (only where there is a collector)

    return Sender(otlp_endpoint)


def context_of(traceparent: str | None) -> Context:
    """The context that `traceparent` names; one without a trace where there is none or it cannot be read."""
    return _propagator.extract({"traceparent": traceparent} if traceparent else {}, Context())


def traceparent_of(span: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent")


def current_traceparent() -> str | None:
    """The `traceparent` of the current span, to be carried by an event; None outside a trace."""
    return traceparent_of(trace.get_current_span())


def trace_id(traceparent: str | None) -> str | None:
    """The trace that a `traceparent` belongs to, for a log line."""
    span = trace.get_current_span(context_of(traceparent)).get_span_context()
    return trace.format_trace_id(span.trace_id) if span.is_valid else None
