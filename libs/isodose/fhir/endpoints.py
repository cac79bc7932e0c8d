"""The endpoints of FHIR REST: what the request said goes to an interaction, and its answer goes back.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from isodose.fhir import bundle as bundles
from isodose.fhir import errors, interactions
from isodose.fhir.exchange import Exchange, condition_of, id_of, kind_of, respond
from isodose.fhir.interactions import Answer
from isodose.fhir.judging import judged, question
from isodose.fhir.negotiation import FORM, check_accept, returned, strict
from isodose.fhir.operations import Call, Operation, Outcome, parameters_of
from isodose.fhir.patching import JSON_PATCH, Patch, fhirpath_patch, json_patch
from isodose.fhir.resources import Resource
from isodose.fhir.search_query import SHAPING
from isodose.fhir.store import ResourceStore
from isodose.fhir.validation import validate as validate_resource

PlainCall = Callable[[Exchange, Request], Response]
BodyCall = Callable[[Exchange, Request, bytes], Response]


class Plain(NamedTuple):
    """An endpoint that reads no body."""

    call: PlainCall


class WithBody(NamedTuple):
    """An endpoint that is given the body."""

    call: BodyCall


Endpoint = Plain | WithBody

# The whole server


def metadata(told: Callable[[], dict[str, Any]]) -> PlainCall:
    """The CapabilityStatement, made when it is first asked for; its ETag changes only when it does."""
    made: list[tuple[bytes, str]] = []

    def answer(_exchange: Exchange, request: Request) -> Response:
        check_accept(request)
        if not made:
            text = orjson.dumps(told())
            made.append((text, f'W/"{hashlib.sha256(text).hexdigest()[:16]}"'))
        text, tag = made[0]
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        shaped = respond(request, Answer(200, text))
        shaped.headers.update(headers)
        return shaped

    return answer


def fixed(document: dict[str, Any]) -> PlainCall:
    """A JSON document that is the same for everybody, whatever the Accept header says."""
    text = orjson.dumps(document)

    def answer(_exchange: Exchange, _request: Request) -> Response:
        return Response(text, media_type="application/json")

    return answer


def bundle(exchange: Exchange, request: Request, content: bytes) -> Response:
    resource = exchange.resource(request, content)
    if resource.type != "Bundle":
        raise errors.bad_request(
            f"The base takes a Bundle; send a {resource.type} to the URL of its type.",
            "Resource.resourceType",
        )
    wanted = returned(request) == "representation"
    kind = "batch" if resource.data.get("type") == "batch" else "transaction"
    return exchange.writing(request, kind, lambda _work, store: bundles.process(store, resource, wanted))


def operation(operation: Operation) -> BodyCall:
    def call(exchange: Exchange, request: Request, content: bytes) -> Response:
        body = exchange.resource(request, content) if content else None
        if body is not None and body.type == "Parameters":
            parameters_of(body)
        path = request.path_params
        asked = Call(
            body, dict(request.query_params), path.get("type"), path.get("id"), exchange.access(request)
        )
        run = exchange.writing if operation.writes else exchange.reading

        def handled(work: Any, store: ResourceStore) -> Answer:
            _may_call(operation, asked, store)
            return _answer(operation.handle(work, asked), asked)

        return run(request, "operation", handled, operation.media_type)

    return call


def validate(exchange: Exchange, request: Request, content: bytes) -> Response:
    kind = kind_of(request) if "type" in request.path_params else ""
    id = id_of(request) if "id" in request.path_params else ""
    exchange.access(request)
    body = exchange.resource(request, content) if content else None
    asked = question(body, request.query_params, kind, id)
    told = Answer(200, errors.outcome_of(judged(asked)))
    if asked.mode not in ("update", "delete"):
        return respond(request, told)

    def there(_work: Any, store: ResourceStore) -> Answer:
        store.read(kind, id)
        return told

    return exchange.reading(request, "operation", there)


def history(exchange: Exchange, request: Request) -> Response:
    path = request.path_params
    kind = kind_of(request) if "type" in path else None
    id = id_of(request) if "id" in path else None
    level = "instance" if id else "type" if kind else "system"
    pairs = request.query_params.multi_items()
    return exchange.reading(
        request,
        f"history-{level}",
        lambda _work, store: interactions.history(store, pairs, kind, id, strict(request)),
    )


# One type


def search(exchange: Exchange, request: Request) -> Response:
    kind, strictly, pairs = kind_of(request), strict(request), request.query_params.multi_items()
    return exchange.reading(
        request, "search-type", lambda _work, store: interactions.search_type(store, kind, pairs, strictly)
    )


def search_by_post(exchange: Exchange, request: Request, content: bytes) -> Response:
    """As `search`, with the parameters of the form behind those of the URL."""
    if content and request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
        raise errors.unsupported_media_type(f"A search by POST is a form; send it as {FORM}.")
    try:
        form = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise errors.bad_request("The form is not UTF-8, or has too many fields.") from None
    asked = urlencode([*request.query_params.multi_items(), *form]).encode()
    return search(exchange, Request({**request.scope, "query_string": asked}))


def create(exchange: Exchange, request: Request, content: bytes) -> Response:
    kind, resource = kind_of(request), exchange.resource(request, content)
    condition = request.headers.get("if-none-exist")
    if condition is None:
        condition = _query_condition(request)
    return exchange.writing(
        request, "create", lambda _work, store: interactions.create(store, kind, resource, condition)
    )


def _query_condition(request: Request) -> str | None:
    """Some clients send the condition of a create in the URL; to leave it out would make duplicates."""
    if not request.scope["query_string"]:
        return None
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in SHAPING]
    return urlencode(pairs) if pairs else None


def conditional_update(exchange: Exchange, request: Request, content: bytes) -> Response:
    kind, resource, query = kind_of(request), exchange.resource(request, content), condition_of(request)
    if_match = request.headers.get("if-match")
    return exchange.writing(
        request,
        "update",
        lambda _work, store: interactions.conditional_update(store, kind, query, resource, if_match),
    )


def conditional_patch(exchange: Exchange, request: Request, content: bytes) -> Response:
    kind, query, if_match = kind_of(request), condition_of(request), request.headers.get("if-match")
    sent = _patch(exchange, request, content)
    return exchange.writing(
        request,
        "patch",
        lambda _work, store: interactions.conditional_patch(store, kind, query, sent, if_match),
    )


def conditional_delete(exchange: Exchange, request: Request) -> Response:
    kind, query, if_match = kind_of(request), condition_of(request), request.headers.get("if-match")
    return exchange.writing(
        request,
        "delete",
        lambda _work, store: interactions.conditional_delete(store, kind, query, if_match),
    )


# One resource


def read(exchange: Exchange, request: Request) -> Response:
    kind, id = kind_of(request), id_of(request)
    return exchange.reading(request, "read", lambda _work, store: interactions.read(store, kind, id))


def vread(exchange: Exchange, request: Request) -> Response:
    kind, id, version = kind_of(request), id_of(request), request.path_params["version"]
    return exchange.reading(
        request, "vread", lambda _work, store: interactions.vread(store, kind, id, version)
    )


def update(exchange: Exchange, request: Request, content: bytes) -> Response:
    kind, resource = kind_of(request), exchange.resource(request, content)
    id, if_match = request.path_params["id"], request.headers.get("if-match")
    if_none_match = request.headers.get("if-none-match")
    return exchange.writing(
        request,
        "update",
        lambda _work, store: interactions.update(
            store, kind, id, resource, if_match, if_none_match=if_none_match
        ),
    )


def patch(exchange: Exchange, request: Request, content: bytes) -> Response:
    kind, id, if_match = kind_of(request), id_of(request), request.headers.get("if-match")
    sent = _patch(exchange, request, content)
    return exchange.writing(
        request, "patch", lambda _work, store: interactions.patch_one(store, kind, id, sent, if_match)
    )


def delete(exchange: Exchange, request: Request) -> Response:
    kind, id, if_match = kind_of(request), id_of(request), request.headers.get("if-match")
    return exchange.writing(
        request, "delete", lambda _work, store: interactions.delete(store, kind, id, if_match)
    )


def everything(exchange: Exchange, request: Request, content: bytes) -> Response:
    id, query = id_of(request), dict(request.query_params)
    if content:
        query |= _values(exchange.resource(request, content))
    return exchange.reading(
        request, "operation", lambda _work, store: interactions.everything_of(store, id, query)
    )


def _values(body: Resource) -> dict[str, str]:
    """Primitive values of Parameters by name; several of one name with commas."""
    if body.type != "Parameters":
        raise errors.bad_request("Send a Parameters resource.", "Parameters", code="structure")
    found: dict[str, list[str]] = {}
    for one in parameters_of(body):
        values = [value for key, value in one.items() if key.startswith("value")]
        found.setdefault(one["name"], []).extend(map(str, values))
    return {name: ",".join(values) for name, values in found.items()}


def _may_call(operation: Operation, call: Call, store: ResourceStore) -> None:
    """Raise 403 or 404 where the caller may not call this operation on this resource."""
    if call.type is not None and call.id is not None:
        store.require("u" if operation.writes else "r", call.type)
        store.read(call.type, call.id)
    elif not operation.judges:
        store.require("u" if operation.writes else "s")


def _patch(exchange: Exchange, request: Request, content: bytes) -> Patch:
    """The patch that was sent: a JSON Patch by its media type, else the Parameters of a FHIRPath Patch."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON_PATCH:
        return json_patch(content)
    parameters = exchange.resource(request, content)
    if parameters.type != "Parameters":
        said = f"A patch is Parameters (FHIRPath Patch), or a JSON Patch sent as {JSON_PATCH}."
        raise errors.bad_request(said, "Resource.resourceType")
    validate_resource(parameters.data)
    return fhirpath_patch(parameters)


def _answer(outcome: Outcome, call: Call) -> Answer:
    answer = outcome if isinstance(outcome, Answer) else Answer(200, orjson.dumps(outcome))
    return replace(answer, patients=tuple(call.patients))
