"""The link to the next page carries the place of the last one shown, spelled so that it fits a URL."""

from __future__ import annotations

import base64
from typing import TypeVar

import msgspec

from isodose.fhir.errors import FhirError, bad_request

Place = TypeVar("Place")


def spelled(place: object) -> str:
    """A place, which is a tuple of texts and numbers, as it stands in a link."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_in(cursor: str, decoder: msgspec.json.Decoder[Place]) -> Place:
    """The place that was spelled. Raises 400 for what was given by no link of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if b"\\u0000" not in text:
            return decoder.decode(text)
    except (ValueError, msgspec.DecodeError):
        pass
    raise no_place()


def no_place() -> FhirError:
    return bad_request("This is not a link to a page that was given here; ask anew.", code="value")
