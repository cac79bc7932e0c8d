"""What the FHIR API says of itself in OpenAPI: one description for each of its routes.

It names what every resource type shares; the search parameters of each type are in the CapabilityStatement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isodose.fhir.judging import MODES
from isodose.fhir.negotiation import FHIR_JSON, FORM
from isodose.fhir.operations import Operation
from isodose.fhir.patching import JSON_PATCH
from isodose.fhir.shapes import ID
from isodose.openapi import answer, described, named, operation, parameter, refusals

Json = dict[str, Any]
_READING = frozenset({400, 401, 403, 404, 406, 429, 500, 503})
_WRITING = _READING | {405, 409, 410, 412, 413, 415, 422}
_PRIMITIVES = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "date": {"type": "string", "format": "date"},
    "dateTime": {"type": "string"},
    "string": {"type": "string"},
    "code": {"type": "string"},
    "id": {"type": "string"},
    "uri": {"type": "string"},
}
_VERSIONED = {"ETag": 'The version, as W/"1"', "Last_Modified": "When it was written"}
_WRITTEN = _VERSIONED | {"Location": "Where this version is read"}

_TYPE = parameter("type", "path", "A resource type of R4", named("ResourceType"))
_ID = parameter("id", "path", "The id of the resource", ID)
_VERSION = parameter("version", "path", "The version", {"type": "string", "pattern": "^[0-9]+$"})
_PREFER_RETURN = parameter(
    "Prefer", "header", "return=minimal, return=representation or return=OperationOutcome"
)
_PREFER_HANDLING = parameter("Prefer", "header", "handling=strict refuses what is not understood")
_IF_MATCH = parameter("If-Match", "header", "The version that is to be changed")
_IF_NONE_MATCH_WRITING = parameter("If-None-Match", "header", "* where nothing may be there yet")
_IF_NONE_EXIST = parameter("If-None-Exist", "header", "A search; a match makes the create do nothing")
_IF_NONE_MATCH = parameter("If-None-Match", "header", "A version that the client has")
_IF_MODIFIED = parameter("If-Modified-Since", "header", "When the client last read it")
_SHAPING = (
    parameter("_format", "query", "json, or application/fhir+json"),
    parameter("_pretty", "query", "Whether the text is indented", {"type": "boolean"}),
    parameter(
        "_summary", "query", "A part of each resource", {"enum": ["true", "text", "data", "count", "false"]}
    ),
    parameter("_elements", "query", "The elements that are wanted, with commas"),
)
_COUNT = parameter("_count", "query", "The most on one page", {"type": "integer", "minimum": 0})
_SINCE = parameter("_since", "query", "What was written at this time or later: an instant")
_SEARCH = (
    parameter("_id", "query", "Ids, with commas"),
    parameter("_lastUpdated", "query", "When it was written: a date with a prefix such as ge"),
    parameter("_sort", "query", "Parameters to sort by, with commas; - turns the order round"),
    _COUNT,
    parameter("_total", "query", "Whether to count all matches", {"enum": ["none", "estimate", "accurate"]}),
    parameter("_include", "query", "What matches point to comes along: Type:parameter"),
    parameter("_revinclude", "query", "What points to matches comes along: Type:parameter"),
)
_RESOURCE = answer("The resource", FHIR_JSON, named("Resource"), **_VERSIONED)
_UNCHANGED = answer("The client has this version")
_SEARCHSET = answer("What was found", FHIR_JSON, named("Searchset"))
_HISTORY = answer("Versions, the newest first", FHIR_JSON, named("History"))
_JUDGED = answer("What is wrong, and what is odd", FHIR_JSON, named("OperationOutcome"))
_ANY = "The resource, or as Prefer asks nothing or an OperationOutcome"
_STORED = answer(_ANY, FHIR_JSON, named("Resource"), **_WRITTEN)
_GONE = answer("It is not there any more, or never was")


def _body(schema: Json, *media_types: str, required: bool = True) -> Json:
    return {"required": required, "content": {kind: {"schema": schema} for kind in media_types}}


_SENT = _body(named("Resource"), FHIR_JSON, "application/json")


def _read(
    summary: str, answers: Mapping[str, Json], *parameters: Json, also: frozenset[int] = frozenset()
) -> Json:
    shown = {*_READING, *also}
    return operation(summary, {**answers, **refusals(shown)}, tag="FHIR", parameters=[*parameters, *_SHAPING])


def _write(summary: str, answers: Mapping[str, Json], *parameters: Json, body: Json | None = _SENT) -> Json:
    return operation(summary, {**answers, **refusals(_WRITING)}, tag="FHIR", parameters=parameters, body=body)


_READ_ANSWERS = {"200": _RESOURCE, "304": _UNCHANGED}
_HISTORY_PARAMETERS = (_COUNT, _SINCE, parameter("_at", "query", "Written in this time"), _PREFER_HANDLING)
_JUDGE = "Judge a resource by R4 and store nothing"
_MODE = parameter("mode", "query", "What is meant to be done", {"enum": list(MODES)})
_PROFILE = parameter("profile", "query", "By which profile")
_VALIDATE = _write(_JUDGE, {"200": _JUDGED}, _MODE, _PROFILE)
_VALIDATE_TYPE = _write(_JUDGE, {"200": _JUDGED}, _TYPE, _MODE, _PROFILE)
_VALIDATE_ONE = _write(_JUDGE, {"200": _JUDGED}, _TYPE, _ID, _MODE, _PROFILE)
_ALL = "All that is known of a patient, and what was concluded"
_EVERYTHING = _read(
    _ALL,
    {"200": _SEARCHSET},
    _ID,
    parameter("start", "query", "The first day of care: a date"),
    parameter("end", "query", "The last day of care: a date"),
    _SINCE,
    parameter("_type", "query", "The types that are wanted, with commas"),
    _COUNT,
    also=frozenset({410}),
)
_EVERYTHING_BY_POST = operation(
    _ALL,
    {"200": _SEARCHSET, **refusals(_READING | {410, 413, 415})},
    tag="FHIR",
    parameters=[_ID, *_SHAPING],
    body=_body(named("Parameters"), FHIR_JSON, "application/json", required=False),
)
_BUNDLE = _write(
    "A batch or a transaction",
    {"200": answer("One entry for each that was sent", FHIR_JSON, named("Bundle"))},
    _PREFER_RETURN,
    body=_body(named("Bundle"), FHIR_JSON, "application/json"),
)
_PATCH_BODY = {
    "required": True,
    "content": {
        FHIR_JSON: {"schema": named("Parameters")},
        JSON_PATCH: {"schema": named("JsonPatch")},
    },
}
ROUTES: Mapping[str, Json] = {
    "": described(post=_BUNDLE),
    "/": described(post=_BUNDLE),
    "/metadata": described(
        get=operation(
            "What this server does",
            {
                "200": answer("The statement", FHIR_JSON, named("CapabilityStatement"), ETag="Its digest"),
                "304": _UNCHANGED,
                **refusals({400, 406, 429, 500}),
            },
            tag="FHIR",
            parameters=[_IF_NONE_MATCH, *_SHAPING],
            is_open=True,
        )
    ),
    "/.well-known/smart-configuration": described(
        get=operation(
            "Where tokens come from",
            {
                "200": answer("The configuration", "application/json", {"type": "object"}),
                **refusals({429, 500}),
            },
            tag="FHIR",
            is_open=True,
        )
    ),
    "/_history": described(get=_read("The versions of everything", {"200": _HISTORY}, *_HISTORY_PARAMETERS)),
    "/$validate": described(post=_VALIDATE),
    "/{type}": described(
        get=_read("Search", {"200": _SEARCHSET}, _TYPE, *_SEARCH, _PREFER_HANDLING),
        post=_write(
            "Create",
            {"200": _STORED, "201": _STORED},
            _TYPE,
            _IF_NONE_EXIST,
            _PREFER_RETURN,
        ),
        put=_write("Update the one that fits, or create", {"200": _STORED, "201": _STORED}, _TYPE, _IF_MATCH),
        patch=_write("Patch the one that fits", {"200": _STORED}, _TYPE, _IF_MATCH, body=_PATCH_BODY),
        delete=_write("Delete the one that fits", {"204": _GONE}, _TYPE, _IF_MATCH, body=None),
    ),
    "/{type}/_history": described(
        get=_read("The versions of a type", {"200": _HISTORY}, _TYPE, *_HISTORY_PARAMETERS)
    ),
    "/{type}/_search": described(
        post=operation(
            "Search with a form",
            {"200": _SEARCHSET, **refusals(_READING | {413, 415})},
            tag="FHIR",
            parameters=[_TYPE, *_SHAPING, _PREFER_HANDLING],
            body=_body({"type": "object", "additionalProperties": {"type": "string"}}, FORM, required=False),
        )
    ),
    "/{type}/$validate": described(post=_VALIDATE_TYPE),
    "/{type}/{id}": described(
        get=_read("Read", _READ_ANSWERS, _TYPE, _ID, _IF_NONE_MATCH, _IF_MODIFIED, also=frozenset({410})),
        put=_write(
            "Update, or create with this id",
            {"200": _STORED, "201": _STORED},
            _TYPE,
            _ID,
            _IF_MATCH,
            _IF_NONE_MATCH_WRITING,
            _PREFER_RETURN,
        ),
        patch=_write("Patch", {"200": _STORED}, _TYPE, _ID, _IF_MATCH, _PREFER_RETURN, body=_PATCH_BODY),
        delete=_write("Delete", {"204": _GONE}, _TYPE, _ID, _IF_MATCH, body=None),
    ),
    "/Patient/{id}/$everything": described(get=_EVERYTHING, post=_EVERYTHING_BY_POST),
    "/{type}/{id}/_history": described(
        get=_read("The versions of a resource", {"200": _HISTORY}, _TYPE, _ID, *_HISTORY_PARAMETERS)
    ),
    "/{type}/{id}/_history/{version}": described(
        get=_read(
            "Read a version", _READ_ANSWERS, _TYPE, _ID, _VERSION, _IF_NONE_MATCH, also=frozenset({410})
        )
    ),
    "/{type}/{id}/$validate": described(post=_VALIDATE_ONE),
}
"""By path below the base."""


def described_operation(one: Operation) -> Json:
    """The description of the routes of a named operation."""
    where: Sequence[Json] = {"system": (), "type": (_TYPE,), "instance": (_TYPE, _ID)}[one.level]
    given = [
        parameter(name, "query", f"{name} of {one.name}", _PRIMITIVES[kind])
        for name, use, _least, _most, kind in one.parameters
        if use == "in" and kind in _PRIMITIVES
    ]
    result = (
        answer("The answer", one.media_type)
        if one.media_type
        else answer("The answer", FHIR_JSON, named("Resource"))
    )
    summary = one.summary or one.name
    refused = refusals(_WRITING)
    get = operation(summary, {"200": result, **refused}, tag="FHIR", parameters=[*where, *given, *_SHAPING])
    post = operation(
        summary,
        {"200": result, **refused},
        tag="FHIR",
        parameters=where,
        body=_body(named("Parameters"), FHIR_JSON, "application/json", required=False),
    )
    return described(get=get, post=post)
