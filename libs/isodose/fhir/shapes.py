"""The shapes of what the FHIR API takes and gives, for its OpenAPI description.

A resource has the elements that R4 gives its type; these name no more than every type shares.
"""

from __future__ import annotations

from typing import Any

from isodose.fhir.definitions import resource_types
from isodose.openapi import named

Json = dict[str, Any]
_BUNDLES = (
    "document", "message", "transaction", "transaction-response", "batch", "batch-response", "history",
    "searchset", "collection",
)  # fmt: skip
ID: Json = {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}
_LINK: Json = {
    "type": "object",
    "required": ["relation", "url"],
    "properties": {"relation": {"type": "string"}, "url": {"type": "string"}},
}
_PARAMETER: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 1}},
}
_PATCH: Json = {
    "type": "object",
    "required": ["op", "path"],
    "properties": {
        "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
        "path": {"type": "string"},
        "from": {"type": "string"},
        "value": {},
    },
}


def schemas() -> dict[str, Json]:
    """The shapes that the descriptions refer to. A resource has the elements that R4 gives its type."""
    return {
        "ResourceType": {"type": "string", "enum": sorted(resource_types())},
        "Resource": {
            "type": "object",
            "description": "A FHIR R4 resource in JSON: https://hl7.org/fhir/R4/resourcelist.html",
            "required": ["resourceType"],
            "properties": {
                "resourceType": named("ResourceType"),
                "id": ID,
                "meta": {"type": "object"},
            },
        },
        "Bundle": {
            "type": "object",
            "required": ["resourceType", "type"],
            "properties": {
                "resourceType": {"const": "Bundle"},
                "type": {"enum": list(_BUNDLES)},
                "total": {"type": "integer", "minimum": 0},
                "link": {"type": "array", "minItems": 1, "items": _LINK},
                "entry": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            },
        },
        "Searchset": _answer_bundle("searchset"),
        "History": _answer_bundle("history"),
        "Parameters": {
            "type": "object",
            "required": ["resourceType"],
            "properties": {
                "resourceType": {"const": "Parameters"},
                "parameter": {"type": "array", "minItems": 1, "items": _PARAMETER},
            },
        },
        "CapabilityStatement": {
            "type": "object",
            "required": ["resourceType", "status", "date", "kind", "fhirVersion", "format"],
            "properties": {
                "resourceType": {"const": "CapabilityStatement"},
                "fhirVersion": {"const": "4.0.1"},
                "rest": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            },
        },
        "JsonPatch": {"type": "array", "items": _PATCH},
    }


def _answer_bundle(kind: str) -> Json:
    return {"allOf": [named("Bundle"), {"properties": {"type": {"const": kind}}, "required": ["link"]}]}
