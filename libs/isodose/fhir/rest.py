"""FHIR REST over HTTP: which path and method is which interaction.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from isodose.fhir import described, endpoints
from isodose.fhir.access import Access
from isodose.fhir.capability import statement
from isodose.fhir.errors import not_allowed
from isodose.fhir.exchange import Exchange, Judge, OnWritten, Opener, Witness
from isodose.fhir.failures import install_error_handlers
from isodose.fhir.operations import Call, HasResources, Operation
from isodose.fhir.references import relative_to
from isodose.fhir.resources import BASE, MAX_BODY
from isodose.fhir.store import Admission, Change, ResourceStore

__all__ = ["Call", "HasResources", "Operation", "fhir_router", "install_error_handlers"]

_OPERATION_PATHS = {"system": "", "type": "/{type}", "instance": "/{type}/{id}"}
# In this order each request meets few routes before its own; what would match a broader path comes first.
_ROUTES: tuple[tuple[str, tuple[str, ...], endpoints.Endpoint], ...] = (
    ("/_history", ("GET", "HEAD"), endpoints.Plain(endpoints.history)),
    ("/{type}", ("GET", "HEAD"), endpoints.Plain(endpoints.search)),
    ("/$validate", ("POST",), endpoints.WithBody(endpoints.validate)),
    ("/{type}", ("POST",), endpoints.WithBody(endpoints.create)),
    ("/{type}/_history", ("GET", "HEAD"), endpoints.Plain(endpoints.history)),
    ("/{type}/{id}", ("GET", "HEAD"), endpoints.Plain(endpoints.read)),
    ("/{type}/{id}", ("PUT",), endpoints.WithBody(endpoints.update)),
    ("", ("POST",), endpoints.WithBody(endpoints.bundle)),
    ("/", ("POST",), endpoints.WithBody(endpoints.bundle)),
    ("/{type}/_search", ("POST",), endpoints.WithBody(endpoints.search_by_post)),
    ("/Patient/{id}/$everything", ("GET", "POST"), endpoints.WithBody(endpoints.everything)),
    ("/{type}/{id}/_history", ("GET", "HEAD"), endpoints.Plain(endpoints.history)),
    ("/{type}/{id}/_history/{version}", ("GET", "HEAD"), endpoints.Plain(endpoints.vread)),
    ("/{type}/$validate", ("POST",), endpoints.WithBody(endpoints.validate)),
    ("/{type}/{id}/$validate", ("POST",), endpoints.WithBody(endpoints.validate)),
    ("/{type}", ("PUT",), endpoints.WithBody(endpoints.conditional_update)),
    ("/{type}", ("PATCH",), endpoints.WithBody(endpoints.conditional_patch)),
    ("/{type}", ("DELETE",), endpoints.Plain(endpoints.conditional_delete)),
    ("/{type}/{id}", ("PATCH",), endpoints.WithBody(endpoints.patch)),
    ("/{type}/{id}", ("DELETE",), endpoints.Plain(endpoints.delete)),
)


def fhir_router(
    open_work: Opener,
    *,
    base: str,
    title: str,
    on_written: OnWritten | None = None,
    operations: Sequence[Operation] = (),
    open_reading: Opener | None = None,
    prefix: str = "/fhir",
    max_bytes: int = MAX_BODY,
    witness: Witness | None = None,
    smart: dict[str, Any] | None = None,
    canonical: str = BASE,
    others: Sequence[str] = (),
    admissions: Mapping[str, Admission] = MappingProxyType({}),
    judge: Judge | None = None,
    read_only: Collection[str] = (),
    topics: Sequence[str] = (),
) -> APIRouter:
    """The FHIR API of one service at `prefix`; `base` is the URL by which others know it.

    `open_work` opens a write transaction, `open_reading` one that only reads. `on_written` is called
    inside the transaction with every version that became current, `witness` after every access. `smart`
    is the configuration that tells clients where tokens come from; with it, nothing but that and
    /metadata is answered to a request that was not given access. `canonical` is the base of the
    definitions of our own. `others` are servers whose resources have the same ids here: references to
    them are taken as references to this one. `admissions` judge what is written, by type, and `judge` each
    version that was written; what is of a `read_only` type is written by nobody. `topics` are those that may
    be subscribed to.
    """
    exchange = Exchange(
        open_work=open_work,
        open_reading=open_reading or open_work,
        on_written=on_written,
        witness=witness,
        max_bytes=max_bytes,
        closed=smart is not None,
        local=relative_to(*others),
        admissions={**admissions, **dict.fromkeys(read_only, _refused)},
        judge=judge,
    )
    router = APIRouter(prefix=prefix)
    body = Depends(exchange.body())

    def route(
        path: str, methods: Sequence[str], endpoint: endpoints.Endpoint, told: dict[str, Any] | None = None
    ) -> None:
        router.add_api_route(
            path,
            _bound(endpoint, exchange, body),
            methods=list(methods),
            openapi_extra=told or described.ROUTES[path],
        )

    stated = functools.partial(
        statement,
        base.rstrip("/"),
        title,
        operations,
        smart=smart,
        canonical=canonical,
        read_only=read_only,
        topics=topics,
    )
    metadata = endpoints.metadata(stated)
    route("/metadata", ("GET", "HEAD"), endpoints.Plain(metadata))
    if smart is not None:
        route("/.well-known/smart-configuration", ("GET", "HEAD"), endpoints.Plain(endpoints.fixed(smart)))
    for operation in operations:
        path = f"{_OPERATION_PATHS[operation.level]}/{operation.name}"
        told = described.described_operation(operation)
        route(path, ("GET", "POST"), endpoints.WithBody(endpoints.operation(operation)), told)
    for path, methods, endpoint in _ROUTES:
        route(path, methods, endpoint)
    return router


def _refused(_store: ResourceStore, change: Change, _access: Access | None) -> Change:
    raise not_allowed(f"A {change.type} is not taken here; see the CapabilityStatement of this server.")


def _bound(endpoint: endpoints.Endpoint, exchange: Exchange, body: Any) -> Callable[..., Response]:
    """The endpoint as FastAPI calls it."""
    if isinstance(endpoint, endpoints.WithBody):
        with_body = endpoint.call

        def called_with_body(request: Request, content: bytes = body) -> Response:
            return with_body(exchange, request, content)

        return called_with_body
    plain = endpoint.call

    def called(request: Request) -> Response:
        return plain(exchange, request)

    return called
