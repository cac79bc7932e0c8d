"""Logs, traces and metrics of one process, none of which ever carries patient data."""

from isodose.telemetry.http import Observed
from isodose.telemetry.logs import JsonLines, configure_logging, describe
from isodose.telemetry.outgoing import Traced, TracedAsync
from isodose.telemetry.signals import Signals, Telemetry, observing
from isodose.telemetry.traces import current_traceparent, trace_id

__all__ = [
    "JsonLines",
    "Observed",
    "Signals",
    "Telemetry",
    "Traced",
    "TracedAsync",
    "configure_logging",
    "current_traceparent",
    "describe",
    "observing",
    "trace_id",
]
