"""What a process says of itself: whether it lives, whether it is ready, its metrics, its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Response

from isodose.openapi import answer, described, operation

Json = dict[str, Any]
Problems = Sequence[str] | Mapping[str, Sequence[str]]
JSON = "application/json"
_LOOK = ["GET", "HEAD"]
METRICS = "text/plain; version=0.0.4; charset=utf-8"
_STATUS: Json = {
    "type": "object",
    "required": ["service", "status"],
    "properties": {"service": {"type": "string"}, "status": {"enum": ["alive", "ready", "not ready"]}},
}


def probes(
    service: str,
    problems: Callable[[], Problems],
    exposition: Callable[[], bytes],
    document: Callable[[], Json],
) -> APIRouter:
    """`/healthz`, `/readyz`, `/metrics` and `/openapi.json`. It is ready when there are no `problems`."""
    router = APIRouter()
    made: list[bytes] = []

    @router.api_route("/healthz", methods=_LOOK, openapi_extra=_told("Whether the process lives", "200"))
    def alive() -> Response:
        return _json({"service": service, "status": "alive"})

    @router.api_route(
        "/readyz", methods=_LOOK, openapi_extra=_told("Whether it can work, and why not", "200", "503")
    )
    def ready() -> Response:
        found = problems()
        is_ready = not any(found.values() if isinstance(found, Mapping) else found)
        status = {"service": service, "status": "ready" if is_ready else "not ready", "problems": found}
        return _json(status, 200 if is_ready else 503)

    @router.get("/metrics", openapi_extra=_METRICS)
    def metrics() -> Response:
        return Response(exposition(), media_type=METRICS)

    @router.get("/openapi.json", openapi_extra=_DOCUMENT)
    def openapi() -> Response:
        if not made:
            made.append(orjson.dumps(document()))
        return Response(made[0], media_type=JSON)

    return router


def _told(summary: str, *statuses: str) -> Json:
    answers = {status: answer("So it stands", JSON, _STATUS) for status in statuses}
    return described(get=operation(summary, answers, tag="operation", is_open=True))


_METRICS = described(
    get=operation(
        "Prometheus metrics",
        {"200": answer("The metrics", "text/plain", {"type": "string"})},
        tag="operation",
        is_open=True,
    )
)
_DOCUMENT = described(
    get=operation(
        "This document",
        {"200": answer("OpenAPI 3.1", JSON, {"type": "object"})},
        tag="operation",
        is_open=True,
    )
)


def _json(content: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type=JSON)
