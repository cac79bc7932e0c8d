"""FHIR REST over HTTP: routes to the interactions, one transaction per request, errors in one language.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import DBAPIError, IntegrityError

from isodose.fhir import bundle, errors, interactions
from isodose.fhir.capability import compact, statement
from isodose.fhir.dates import bounds
from isodose.fhir.definitions import resource_types
from isodose.fhir.everything import everything
from isodose.fhir.failures import install_error_handlers
from isodose.fhir.interactions import Answer
from isodose.fhir.negotiation import (
    FHIR_JSON,
    FORM,
    body_of,
    check_accept,
    check_content_type,
    returned,
    strict,
)
from isodose.fhir.operations import Call, HasResources, Operation, Outcome
from isodose.fhir.resources import MAX_BODY, Resource, is_id, parse
from isodose.fhir.search_query import Pairs
from isodose.fhir.stored import Stored
from isodose.storage.database import is_transient

__all__ = ["Call", "HasResources", "Operation", "fhir_router", "install_error_handlers"]

Opener = Callable[[], AbstractContextManager[Any]]
OnWritten = Callable[[Any, Sequence[Stored]], None]
ATTEMPTS = 4


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
    dependencies: Sequence[Any] = (),
) -> APIRouter:
    """The FHIR API of one service at `prefix`; `base` is the URL by which others know it.

    `open_work` opens a write transaction, `open_reading` one that only reads. `on_written` is called inside
    the transaction with every version that became current. `dependencies` guard every route but /metadata.
    """
    api = _Api(
        open_work,
        open_reading or open_work,
        base=base.rstrip("/"),
        title=title,
        on_written=on_written,
        operations=tuple(operations),
        max_bytes=max_bytes,
    )
    router = APIRouter(prefix=prefix)
    guard = list(dependencies)
    body = Depends(api.body())

    def route(path: str, methods: list[str], endpoint: Callable[..., Response], guarded: bool = True) -> None:
        router.add_api_route(
            path, endpoint, methods=methods, dependencies=guard if guarded else [], include_in_schema=False
        )

    def with_body(call: Callable[[Request, bytes], Response]) -> Callable[..., Response]:
        def endpoint(request: Request, content: bytes = body) -> Response:
            return call(request, content)

        return endpoint

    def plain(call: Callable[[Request], Response]) -> Callable[..., Response]:
        def endpoint(request: Request) -> Response:
            return call(request)

        return endpoint

    route("/metadata", ["GET", "HEAD"], plain(api.metadata), guarded=False)
    for operation in api.operations:
        path = {"system": "", "type": "/{type}", "instance": "/{type}/{id}"}[operation.level]
        route(f"{path}/{operation.name}", ["GET", "POST"], with_body(api.operation(operation)))
    for path in ("", "/"):
        route(path, ["POST"], with_body(api.bundle))
    for path in ("/{type}/$validate", "/{type}/{id}/$validate"):
        route(path, ["POST"], with_body(api.validate))
    route("/Patient/{id}/$everything", ["GET", "POST"], plain(api.everything))
    route("/{type}/_search", ["POST"], with_body(api.search_by_post))
    route("/{type}", ["GET", "HEAD"], plain(api.search))
    route("/{type}", ["POST"], with_body(api.create))
    route("/{type}", ["PUT"], with_body(api.conditional_update))
    route("/{type}", ["DELETE"], plain(api.conditional_delete))
    route("/{type}/{id}", ["GET", "HEAD"], plain(api.read))
    route("/{type}/{id}", ["PUT"], with_body(api.update))
    route("/{type}/{id}", ["DELETE"], plain(api.delete))
    route("/{type}/{id}/_history", ["GET"], plain(api.history))
    route("/{type}/{id}/_history/{version}", ["GET", "HEAD"], plain(api.vread))
    return router


class _Api:
    """The endpoints: what the request said goes to an interaction, and its answer goes back."""

    def __init__(
        self,
        open_work: Opener,
        open_reading: Opener,
        *,
        base: str,
        title: str,
        on_written: OnWritten | None,
        operations: tuple[Operation, ...],
        max_bytes: int,
    ) -> None:
        self.open_work = open_work
        self.open_reading = open_reading
        self.base = base
        self.title = title
        self.on_written = on_written
        self.operations = operations
        self.max_bytes = max_bytes

    def body(self) -> Callable[[Request], Awaitable[bytes]]:
        async def read_body(request: Request) -> bytes:
            return await body_of(request, self.max_bytes)

        return read_body

    # Whole system

    def metadata(self, request: Request) -> Response:
        check_accept(request)
        text = orjson.dumps(compact(statement(self.base, self.title, self.operations)))
        return Response(text, media_type=FHIR_JSON)

    def bundle(self, request: Request, content: bytes) -> Response:
        resource = self._resource(request, content)
        if resource.type != "Bundle":
            raise errors.bad_request(
                f"The base takes a Bundle; send a {resource.type} to the URL of its type.",
                "Resource.resourceType",
            )
        wanted = returned(request) == "representation"
        return _respond(request, self._write(lambda work: bundle.process(work.resources, resource, wanted)))

    def operation(self, operation: Operation) -> Callable[[Request, bytes], Response]:
        def call(request: Request, content: bytes) -> Response:
            check_accept(request)
            body = self._resource(request, content) if content else None
            path = request.path_params
            asked = Call(body, dict(request.query_params), path.get("type"), path.get("id"))
            run = self._write if operation.writes else self._read
            return _respond(request, run(lambda work: _answer(operation.handle(work, asked))))

        return call

    # One type

    def search(self, request: Request) -> Response:
        return self._search(request, request.query_params.multi_items())

    def search_by_post(self, request: Request, content: bytes) -> Response:
        if content and request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
            raise errors.unsupported_media_type(f"A search by POST is a form; send it as {FORM}.")
        try:
            form = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            raise errors.bad_request("The form is not UTF-8, or has too many fields.") from None
        return self._search(request, [*request.query_params.multi_items(), *form])

    def _search(self, request: Request, pairs: Pairs) -> Response:
        check_accept(request)
        kind = _type(request)
        asked_strictly = strict(request)
        return _respond(
            request,
            self._read(lambda work: interactions.search_type(work.resources, kind, pairs, asked_strictly)),
        )

    def create(self, request: Request, content: bytes) -> Response:
        kind, resource = _type(request), self._resource(request, content)
        condition = request.headers.get("if-none-exist")
        answer = self._write(lambda work: interactions.create(work.resources, kind, resource, condition))
        return _respond(request, answer)

    def conditional_update(self, request: Request, content: bytes) -> Response:
        kind, resource, query = _type(request), self._resource(request, content), _condition(request)
        if_match = request.headers.get("if-match")
        answer = self._write(
            lambda work: interactions.conditional_update(work.resources, kind, query, resource, if_match)
        )
        return _respond(request, answer)

    def conditional_delete(self, request: Request) -> Response:
        kind, query = _type(request), _condition(request)
        return _respond(
            request, self._write(lambda work: interactions.conditional_delete(work.resources, kind, query))
        )

    def validate(self, request: Request, content: bytes) -> Response:
        _type(request)
        return _respond(request, interactions.validate_only(self._resource(request, content)))

    # One resource

    def read(self, request: Request) -> Response:
        check_accept(request)
        kind, id = _type(request), _id(request)
        return _respond(request, self._read(lambda work: interactions.read(work.resources, kind, id)))

    def vread(self, request: Request) -> Response:
        check_accept(request)
        kind, id, version = _type(request), _id(request), request.path_params["version"]
        return _respond(
            request, self._read(lambda work: interactions.vread(work.resources, kind, id, version))
        )

    def history(self, request: Request) -> Response:
        check_accept(request)
        kind, id, since = _type(request), _id(request), _since(request)
        count = request.query_params.get("_count", "500")
        limit = min(int(count), 500) if count.isascii() and count.isdigit() else 500
        return _respond(
            request, self._read(lambda work: interactions.history(work.resources, kind, id, since, limit))
        )

    def update(self, request: Request, content: bytes) -> Response:
        kind, resource = _type(request), self._resource(request, content)
        id, if_match = request.path_params["id"], request.headers.get("if-match")
        answer = self._write(lambda work: interactions.update(work.resources, kind, id, resource, if_match))
        return _respond(request, answer)

    def delete(self, request: Request) -> Response:
        kind, id, if_match = _type(request), _id(request), request.headers.get("if-match")
        return _respond(
            request, self._write(lambda work: interactions.delete(work.resources, kind, id, if_match))
        )

    def everything(self, request: Request) -> Response:
        check_accept(request)
        id, since = _id(request), _since(request)
        types = [t for t in request.query_params.get("_type", "").split(",") if t]
        return _respond(
            request, self._read(lambda work: Answer(200, everything(work.resources, id, types, since)))
        )

    # Transactions

    def _resource(self, request: Request, content: bytes) -> Resource:
        check_accept(request)
        check_content_type(request)
        return parse(content, self.max_bytes)

    def _read(self, run: Callable[[Any], Answer]) -> Answer:
        with self.open_reading() as work:
            return run(work)

    def _write(self, run: Callable[[Any], Answer]) -> Answer:
        """Run in one transaction; what lost a race against another writer is tried again from the start."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.open_work() as work:
                    answer = run(work)
                    changed = [stored for stored in answer.written if stored.changed]
                    if changed and self.on_written is not None:
                        self.on_written(work, changed)
                    return answer
            except (DBAPIError, errors.OvertakenError) as error:
                if attempt == ATTEMPTS or not _lost_race(error):
                    raise
        raise AssertionError("unreachable")


def _lost_race(error: Exception) -> bool:
    return isinstance(error, IntegrityError | errors.OvertakenError) or is_transient(error)


def _answer(outcome: Outcome) -> Answer:
    return outcome if isinstance(outcome, Answer) else Answer(200, orjson.dumps(outcome))


def _type(request: Request) -> str:
    kind: str = request.path_params["type"]
    if kind not in resource_types():
        raise errors.not_found(
            "R4 has no resource type of this name; types begin with a capital.", code="not-supported"
        )
    return kind


def _id(request: Request) -> str:
    id: str = request.path_params["id"]
    if not is_id(id):
        raise errors.not_found("No resource has such an id: ids are 1 to 64 letters, digits, '-' or '.'.")
    return id


def _condition(request: Request) -> Pairs:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in ("_format", "_pretty")]
    if not pairs:
        raise errors.bad_request("Without an id, the URL needs a search that says which resource is meant.")
    return pairs


def _since(request: Request) -> datetime | None:
    text = request.query_params.get("_since")
    try:
        return bounds(text.replace(" ", "+"))[0] if text else None
    except ValueError:
        raise errors.bad_request("_since must be a FHIR instant.", code="value") from None


def _respond(request: Request, answer: Answer) -> Response:
    headers: dict[str, str] = {}
    stored = answer.stored
    if stored is not None:
        headers["ETag"] = f'W/"{stored.version}"'
        headers["Last-Modified"] = format_datetime(stored.last_updated, usegmt=True)
        if request.method in ("GET", "HEAD") and _not_modified(request, stored):
            return Response(status_code=304, headers=headers)
    if answer.location is not None:
        headers["Location"] = answer.location
    body = answer.body
    if answer.location is not None and stored is not None:
        wanted = returned(request)
        if wanted == "minimal":
            body = b""
        elif wanted == "OperationOutcome":
            body = errors.outcome_of(())
    return Response(body, answer.status, headers, FHIR_JSON if body else None)


def _not_modified(request: Request, stored: Stored) -> bool:
    tag = request.headers.get("if-none-match")
    if tag is not None:
        return f'"{stored.version}"' in tag or tag.strip() == "*"
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and stored.last_updated.replace(microsecond=0) <= parsedate_to_datetime(
            since
        )
    except (TypeError, ValueError):
        return False
