"""Spans by W3C Trace Context, sent over OTLP/HTTP; each service is a resource, also in one process.

https://www.w3.org/TR/trace-context/ and https://opentelemetry.io/docs/specs/semconv/
"""

from __future__ import annotations

from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


class Traces:
    """Where the spans of one process go: to the collector at `otlp_endpoint`; without one, nowhere."""

    def __init__(self, otlp_endpoint: str = "") -> None:
        self._processor = (
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces"))
            if otlp_endpoint
            else None
        )

    @property
    def sent(self) -> bool:
        """Whether spans are recorded at all."""
        return self._processor is not None

    def tracer(self, service: str) -> trace.Tracer:
        if self._processor is None:
            return trace.NoOpTracerProvider().get_tracer("isodose")
        named = {
            "service.name": service,
            "service.namespace": "isodose",
            "service.version": version("isodose"),
        }
        provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider.get_tracer("isodose")

    def close(self) -> None:
        """Send what is left and stop."""
        if self._processor is not None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]


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
