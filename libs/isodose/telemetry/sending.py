"""Spans sent to a collector over OTLP/HTTP; loaded where there is one, for it brings protobuf and the SDK."""

from __future__ import annotations

from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


class Sender:
    """What the services of one process share: one queue of spans to one collector."""

    def __init__(self, otlp_endpoint: str) -> None:
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
        )

    def tracer(self, service: str) -> trace.Tracer:
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
        self._processor.shutdown()  # type: ignore[no-untyped-call]
