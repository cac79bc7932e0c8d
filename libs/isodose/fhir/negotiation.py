"""What form of request and answer is agreed on: media types, Prefer, and the size of a body.

https://hl7.org/fhir/R4/http.html#mime-type
"""

from __future__ import annotations

import re
from typing import Literal

from starlette.requests import Request

from isodose.fhir import errors

FHIR_JSON = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
_JSON = frozenset({FHIR_JSON, "application/json", "text/json", "json"})
_ANY = frozenset({"*/*", "application/*", "text/*"})
_RETURN = re.compile(r"return\s*=\s*\"?(representation|minimal|OperationOutcome)")
_STRICT = re.compile(r"handling\s*=\s*\"?strict")

Return = Literal["representation", "minimal", "OperationOutcome"]


def check_accept(request: Request, also: str = "") -> None:
    """Raise 406 unless JSON, or the media type `also`, is wanted; `_format` overrides Accept."""
    asked = request.query_params.get("_format")
    wanted = [asked.replace(" ", "+")] if asked else request.headers.get("accept", "*/*").split(",")
    kinds = {kind.partition(";")[0].strip().lower() for kind in wanted}
    if not kinds & (_JSON | _ANY | {also}):
        raise errors.not_acceptable(f"Only JSON is given; ask for {FHIR_JSON}.")


def check_content_type(request: Request) -> None:
    """Raise 415 unless the body is FHIR in JSON and UTF-8."""
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if kind.strip().lower() not in _JSON or charset not in ("", "utf-8"):
        raise errors.unsupported_media_type(f"Only JSON in UTF-8 is taken; send it as {FHIR_JSON}.")


def returned(request: Request) -> Return | None:
    """What `Prefer` asks to get back after a write; None when it does not say."""
    found = _RETURN.search(request.headers.get("prefer", ""))
    return found[1] if found else None  # type: ignore[return-value]


def strict(request: Request) -> bool:
    return _STRICT.search(request.headers.get("prefer", "")) is not None


async def body_of(request: Request, limit: int) -> bytes:
    """The body, read no further than `limit`: raises 413 as soon as it is longer."""
    too_large = errors.too_large(f"The body is larger than {limit} bytes; split it.", "Resource")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)
