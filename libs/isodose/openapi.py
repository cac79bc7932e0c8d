"""The OpenAPI document of an application, made from what each of its routes says of itself.

A route is described where it is registered, so the document names what is there; a test finds a route that
says nothing. https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"
_TOKEN = {"accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
_ISSUE_CODES = (
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
    "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found",
    "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict",
    "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "informational",
)  # fmt: skip
_ISSUE: Json = {
    "type": "object",
    "required": ["severity", "code", "diagnostics"],
    "properties": {
        "severity": {"enum": ["fatal", "error", "warning", "information"]},
        "code": {"enum": list(_ISSUE_CODES)},
        "diagnostics": {"type": "string", "minLength": 1},
        "expression": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    },
}
OUTCOME: Json = {
    "type": "object",
    "description": "What was wrong, where as FHIRPath, and what to do.",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {"type": "array", "minItems": 1, "items": _ISSUE},
    },
}
ERRORS = {
    400: "The request is not understood",
    401: "No access token that holds here",
    403: "The token does not allow this",
    404: "There is nothing of this name",
    405: "This path does not take the method",
    406: "Only JSON is given",
    409: "It stands against what is stored",
    410: "It was deleted",
    412: "A condition does not hold, or what is needed is missing",
    413: "The body is too large",
    415: "The body has another media type than is taken",
    422: "The resource is not valid, or refers to what is not there",
    429: "Too many requests; Retry-After says when to ask again",
    500: "The service failed",
    503: "Something that the service needs is away; Retry-After says when to ask again",
}


_REFUSED = "Refused"


def named(schema: str) -> Json:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{schema}"}


def content(media_type: str, schema: Json) -> Json:
    return {"content": {media_type: {"schema": schema}}}


def answer(description: str, media_type: str = "", schema: Json | None = None, **headers: str) -> Json:
    """One response; `headers` are those it carries, each with what it says (`_` stands for `-`)."""
    told: Json = {"description": description}
    if media_type:
        told |= content(media_type, {} if schema is None else schema)
    if headers:
        told["headers"] = {
            name.replace("_", "-"): {"description": said, "schema": {"type": "string"}}
            for name, said in headers.items()
        }
    return told


def refusals(statuses: Iterable[int]) -> dict[str, Json]:
    """Responses with an OperationOutcome."""
    return {
        str(status): {"$ref": f"#/components/responses/{_REFUSED}{status}"} for status in sorted(statuses)
    }


def parameter(
    name: str, where: str, description: str, schema: Json | None = None, *, required: bool = False
) -> Json:
    return {
        "name": name,
        "in": where,
        "description": description,
        "schema": {"type": "string"} if schema is None else schema,
        **({"required": True} if required or where == "path" else {}),
    }


def operation(
    summary: str,
    answers: Mapping[str, Json],
    *,
    tag: str,
    parameters: Sequence[Json] = (),
    body: Json | None = None,
    is_open: bool = False,
) -> Json:
    """One method of one path. `is_open` tells that it needs no token where others do."""
    return {
        "summary": summary,
        "tags": [tag],
        **({"parameters": list(parameters)} if parameters else {}),
        **({"requestBody": body} if body is not None else {}),
        "responses": dict(answers),
        **({"security": []} if is_open else {}),
    }


def described(**by_method: Json) -> dict[str, Any]:
    """What a route says of itself, to be given to it as `openapi_extra`: an operation for each method."""
    return {method.upper(): told for method, told in by_method.items()}


def document(
    routes: Sequence[BaseRoute],
    *,
    title: str,
    description: str,
    url: str,
    closed: bool,
    schemas: Mapping[str, Json],
) -> Json:
    """The document of these routes; `closed` tells that an access token is needed."""
    paths: dict[str, Json] = {}
    for route in iter_route_contexts(routes):
        for method in sorted(route.methods or ()):
            if (told := _told(route, method)) is not None:
                paths.setdefault(str(route.path_format), {})[method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": version("isodose")},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": {"OperationOutcome": OUTCOME, **schemas},
            "responses": {
                f"{_REFUSED}{status}": answer(said, FHIR_JSON, named("OperationOutcome"))
                for status, said in ERRORS.items()
            },
            **({"securitySchemes": _TOKEN} if closed else {}),
        },
        **({"security": [{"accessToken": []}]} if closed else {}),
    }


def _told(route: RouteContext, method: str) -> Json | None:
    """What the route says of the method; of HEAD, what it says of GET without a body."""
    extra: Mapping[str, Json] = getattr(route.original_route, "openapi_extra", None) or {}
    if method == "HEAD" and "GET" in extra:
        told = extra["GET"]
        bare = {status: _bare(status, response) for status, response in told["responses"].items()}
        return {**told, "summary": f"{told['summary']}: the headers alone", "responses": bare}
    return extra.get(method)


def _bare(status: str, response: Json) -> Json:
    if "$ref" in response:
        return {"description": ERRORS[int(status)]}
    return {name: part for name, part in response.items() if name != "content"}
