"""What the pages say of themselves in OpenAPI: HTML for people, refusals included."""

from __future__ import annotations

from typing import Any

from isodose.fhir.negotiation import FORM
from isodose.openapi import answer, described, operation, parameter, refusals

Json = dict[str, Any]
_HTML = ("text/html", {"type": "string"})
_PATIENT = parameter("patient_id", "path", "The id of the patient")
_SAID = {
    "403": "The token of the reader does not allow this, or the form came from elsewhere",
    "404": "There is no such patient or page",
    "409": "What the page showed has changed since",
    "422": "The form does not say what is needed",
    "503": "The other services cannot be asked now",
}


def _page(summary: str, *statuses: str, parameters: tuple[Json, ...] = ()) -> Json:
    shown = {"200": answer("The page", *_HTML)}
    refused = {status: answer(_SAID[status], *_HTML) for status in statuses}
    return described(
        get=operation(
            summary, {**shown, **refused, **refusals({401, 429, 500})}, tag="pages", parameters=parameters
        )
    )


CLINIC = _page(
    "The patients of the clinic by what needs action",
    "403",
    "404",
    "503",
    parameters=(
        parameter("need", "query", "Only patients with this need"),
        parameter("name", "query", "How the name begins"),
        parameter("place", "query", "Where the page begins, from the page before"),
    ),
)
PATIENT = _page(
    "One patient",
    "403",
    "404",
    "503",
    parameters=(
        _PATIENT,
        parameter("from", "query", "The first day of the picture"),
        parameter("to", "query", "The last day of the picture"),
    ),
)
BOARD = _page("The summary for the tumour board", "403", "404", "503", parameters=(_PATIENT,))
ASSET = described(
    get=operation(
        "A style sheet, script or picture",
        {
            "200": {
                "description": "The file",
                "content": {"text/css": {}, "text/javascript": {}, "image/svg+xml": {}},
            },
            "404": answer(_SAID["404"], *_HTML),
            **refusals({401, 429, 500}),
        },
        tag="pages",
        parameters=[parameter("name", "path", "The name of the file")],
    )
)
ANSWER = described(
    post=operation(
        "Answer an alert from its page",
        {
            "303": answer("It is kept: go on to the page", location="The patient's page"),
            **{status: answer(said, *_HTML) for status, said in _SAID.items()},
            **refusals({401, 429, 500}),
        },
        tag="pages",
        parameters=[_PATIENT, parameter("alert_id", "path", "The id of the alert")],
        body={"required": True, "content": {FORM: {"schema": {"type": "object"}}}},
    )
)
_RESPONSE = parameter("response", "query", "The answers given before that are amended")
_SHEET = _page("The form for facts that no EHR codes", "403", "404", "503", parameters=(_PATIENT, _RESPONSE))
INTAKE = _SHEET | described(
    post=operation(
        "Give, amend or withdraw such facts",
        {
            "303": answer("It is kept: go on to the page", location="The patient's page"),
            **{status: answer(said, *_HTML) for status, said in _SAID.items()},
            **refusals({401, 429, 500}),
        },
        tag="pages",
        parameters=[_PATIENT, _RESPONSE],
        body={"required": True, "content": {FORM: {"schema": {"type": "object"}}}},
    )
)
_PDF = answer("The summary", "application/pdf", {"type": "string", "format": "binary"})
PAPER = described(
    get=operation(
        "The summary for the tumour board, to print",
        {
            "200": _PDF,
            **{status: answer(_SAID[status], *_HTML) for status in ("403", "404", "503")},
            **refusals({401, 429, 500}),
        },
        tag="pages",
        parameters=[_PATIENT],
    )
)
CHANGES = described(
    get=operation(
        "What changes while a page is open, as server-sent events",
        {
            "200": answer("Events without an end", "text/event-stream", {"type": "string"}),
            "403": answer(_SAID["403"], *_HTML),
            "503": answer("Too many pages are open"),
            **refusals({400, 401, 429, 500}),
        },
        tag="pages",
        parameters=[
            parameter("since", "query", "The last change that the page knows", {"type": "integer"}),
            parameter("patient", "query", "Only this patient"),
        ],
    )
)
_NOT_LET_IN = {"403": answer("Not signed in, and why", *_HTML), **refusals({400, 429, 500})}
LAUNCH = described(
    get=operation(
        "Sign in at the EHR (SMART App Launch)",
        {"303": answer("Go on to the EHR", location="Where the EHR signs in"), **_NOT_LET_IN},
        tag="signing in",
        parameters=[
            parameter("iss", "query", "The FHIR base of the EHR"),
            parameter("launch", "query", "What the EHR launched with"),
            parameter("to", "query", "The page to come back to"),
        ],
        is_open=True,
    )
)
CALLBACK = described(
    get=operation(
        "Where the EHR sends the browser back to",
        {"303": answer("Signed in: go on to the page", location="The page"), **_NOT_LET_IN},
        tag="signing in",
        parameters=[parameter(name, "query", f"{name} of OAuth 2") for name in ("state", "code", "error")],
        is_open=True,
    )
)
SIGN_OUT = described(
    post=operation(
        "Sign out",
        {"200": answer("Signed out", *_HTML), **_NOT_LET_IN},
        tag="signing in",
        body={"required": True, "content": {FORM: {"schema": {"type": "object"}}}},
        is_open=True,
    )
)
