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
    kinds = {kind.partition(";")[0].strip().lower() for kind in wanted if _is_r4(kind)}
    if not kinds & (_JSON | _ANY | {also}):
        raise errors.not_acceptable(f"Only JSON of FHIR 4.0 is given; ask for {FHIR_JSON}.")


def check_content_type(request: Request) -> None:
    """Raise 415 unless the body is FHIR R4 in JSON and UTF-8, not compressed."""
    sent = request.headers.get("content-type", "")
    kind, charset = sent.partition(";")[0].strip().lower(), _parameter(sent, "charset")
    if kind not in _JSON or charset not in ("", "utf-8") or not _is_r4(sent):
        raise errors.unsupported_media_type(
            f"Only JSON of FHIR 4.0 in UTF-8 is taken; send it as {FHIR_JSON}."
        )
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise errors.unsupported_media_type(
            "A compressed body is not taken; send it without Content-Encoding."
        )


def _is_r4(media_type: str) -> bool:
    """Whether the parameter fhirVersion, where it is given, names R4."""
    return _parameter(media_type, "fhirversion") in ("", "4.0", "4.0.1")


def _parameter(media_type: str, name: str) -> str:
    """The value of a parameter of a media type in small letters; empty where it is not given."""
    found = media_type.lower().partition(f"{name}=")[2]
    return found.partition(";")[0].strip(' "')


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
