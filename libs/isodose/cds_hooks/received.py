"""Reads the JSON that a CDS client sent, and says of what does not fit what it must be, and where.

https://cds-hooks.hl7.org/2.0/#http-status-codes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from isodose.cds_hooks.models import PATTERNS
from isodose.fhir.errors import FhirError, Issue, bad_request

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]

_OBJECT, _ARRAY = "must be a JSON object", "must be a JSON array"
_INSTANT = "must be a time with its zone, such as 2026-11-23T10:00:00Z"
_SAID = {
    "missing": "is required; add it",
    "model_type": _OBJECT,
    "dict_type": _OBJECT,
    "tuple_type": _ARRAY,
    "too_short": "must hold at least one item",
    "string_type": "must be a JSON string",
    "string_too_short": "is empty; fill it, or leave it out",
    "string_too_long": "is too long",
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "greater_than": "must be above zero",
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_object_invalid": _INSTANT,
    "timezone_aware": _INSTANT,
}


def parsed(content: bytes, model: type[Model]) -> Model:
    """What was sent as `model`. Raises `FhirError` 400 that names each member that does not fit."""
    try:
        members = orjson.loads(content)
        orjson.dumps(members)  # refuses nesting beyond 254 levels
        return model.model_validate(members)
    except (orjson.JSONDecodeError, TypeError):
        raise bad_request("The body is not JSON in UTF-8, or nested too deeply.", code="structure") from None
    except ValidationError as error:
        raise FhirError(400, list(_issues(error.errors(include_url=False, include_input=False)))) from None


def _issues(faults: Sequence[ErrorDetails]) -> Iterator[Issue]:
    places = [fault["loc"] for fault in faults]
    for fault in faults:
        place = fault["loc"]
        if fault["type"] == "too_short" and any(other[: len(place)] == place != other for other in places):
            continue  # it is counted without the items that are wrong themselves
        context: dict[str, Any] = fault.get("ctx", {})
        path = _path((*place, *context.get("member", ())))
        code = "required" if fault["type"] in ("missing", "required") else "invalid"
        yield Issue(code, f"{path or 'The body'} {_said(fault, context)}.", (path,) if path else ())


def _said(fault: ErrorDetails, context: dict[str, Any]) -> str:
    match fault["type"]:
        case "literal_error":
            return f"must be {context['expected']}"
        case "string_pattern_mismatch":
            return PATTERNS[context["pattern"]]
        case kind:
            return _SAID.get(kind, fault["msg"])


def _path(location: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")
