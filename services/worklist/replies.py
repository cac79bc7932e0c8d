"""How a page is answered: with the headers of every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response

from isodose.fhir.errors import FhirError
from isodose.fhir.negotiation import FORM, body_of
from worklist.rendering import render
from worklist.security_headers import HEADERS, KEPT_BY_NOBODY
from worklist.upstream import AwayError, NotThereError, RefusedError

_REFUSED = "Your access does not include this."
_LONGEST_FORM = 200_000


def html(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    page = render(template, **{"fixed_day": None} | dict(values))
    return Response(page, status, HEADERS | KEPT_BY_NOBODY, media_type="text/html; charset=utf-8")


def message(title: str, text: str, status: int, back: str = "") -> Response:
    """A page that says one thing; `back` is where to go on from it."""
    return html("message.html", {"title": title, "text": text, "back": back}, status)


def unread(title: str, error: AwayError, text: str) -> Response:
    """What is said where another service refuses, has nothing, or does not answer (`text`)."""
    if isinstance(error, RefusedError):
        return message(title, _REFUSED, 403)
    if isinstance(error, NotThereError):
        return message("Not found", "There is no such patient or entry.", 404)
    return message(title, text, 503)


def see(address: str) -> Response:
    """Send the browser on after a form was taken, so that a reload sends nothing again."""
    return Response(status_code=303, headers=HEADERS | KEPT_BY_NOBODY | {"location": address})


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; none where the body is no form or is too long. Of a repeated field the last."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        body = await body_of(request, _LONGEST_FORM)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=5_000))
    except (FhirError, ValueError):
        return {}
