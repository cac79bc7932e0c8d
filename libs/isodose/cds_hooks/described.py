"""What CDS Hooks says of itself in OpenAPI, with the shapes of the models that read and write it.

https://cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from isodose.cds_hooks.models import Card, FeedbackBatch, HookRequest
from isodose.openapi import answer, content, described, named, operation, parameter, refusals

Json = dict[str, Any]
JSON = "application/json"
_REFUSED = {400, 401, 403, 404, 413, 415, 429, 500, 503}
_ENTRY: Json = {
    "type": "object",
    "required": ["hook", "id", "description"],
    "properties": {
        "hook": {"type": "string"},
        "id": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "prefetch": {"type": "object", "additionalProperties": {"type": "string"}},
        "usageRequirements": {"type": "string"},
    },
}


def schemas() -> dict[str, Json]:
    found: dict[str, Json] = {
        "CdsServices": {
            "type": "object",
            "required": ["services"],
            "properties": {"services": {"type": "array", "items": _ENTRY}},
        },
        "Cards": {
            "type": "object",
            "required": ["cards"],
            "properties": {"cards": {"type": "array", "items": named("Card")}},
        },
    }
    for model in (HookRequest, FeedbackBatch, Card):
        found |= _of_model(model)
    return found


def _of_model(model: type[BaseModel]) -> dict[str, Json]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}


DISCOVERY = described(
    get=operation(
        "The CDS services and what each wants prefetched",
        {"200": answer("The services", JSON, named("CdsServices")), **refusals({401, 403, 429, 500, 503})},
        tag="CDS Hooks",
    )
)


def call(ids: Iterable[str]) -> Json:
    return described(
        post=operation(
            "Ask for cards",
            {
                "200": answer("The advice; none is an empty list", JSON, named("Cards")),
                **refusals({*_REFUSED, 412}),
            },
            tag="CDS Hooks",
            parameters=[_service(ids)],
            body={"required": True, **content(JSON, named("HookRequest"))},
        )
    )


def feedback(ids: Iterable[str]) -> Json:
    return described(
        post=operation(
            "Tell what became of cards",
            {"200": answer("It is kept"), **refusals(_REFUSED)},
            tag="CDS Hooks",
            parameters=[_service(ids)],
            body={"required": True, **content(JSON, named("FeedbackBatch"))},
        )
    )


def _service(ids: Iterable[str]) -> Json:
    return parameter("service_id", "path", "The id that discovery lists", {"enum": sorted(set(ids))})
