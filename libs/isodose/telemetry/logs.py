"""JSON lines: each log entry with its trace. An exception keeps its types and frames, never its message."""

from __future__ import annotations

import datetime as dt
import logging
import time
import traceback

import orjson
from opentelemetry import trace

_FIELDS = (
    "service",
    "method",
    "route",
    "status",
    "ms",
    "topic",
    "group",
    "attempt",
    "job",
    "outcome",
    "count",
    "incident",
    "trace",
    "error",
    "where",
)


REPEATED_S = 60.0


class OnceAMinute(logging.Filter):
    """Lets through what a library says, and the same again only after a minute; what others say passes.

    While Kafka is away its client says so several times a second, for hours.
    """

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True
        now, said = time.monotonic(), (record.name, record.msg)
        if now - self._said.get(said, -REPEATED_S) < REPEATED_S:
            return False
        self._said = {one: at for one, at in self._said.items() if now - at < REPEATED_S} | {said: now}
        return True


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
            line["span"] = trace.format_span_id(span.span_id)
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
    handler.addFilter(OnceAMinute("kafka"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for name in ("httpx", "httpcore", "kafka", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
