"""HL7's R4 definitions as one compact registry of schemas, built by deploy/fhir_definitions/build.py."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

from isodose.fhir.definitions.period import StartBeforeEnd
from isodose.fhir.definitions.plain import narrowed

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFERRED = re.compile(rb'"\$ref":"#/\$defs/([^"]+)"')


@cache
def _registry() -> dict[str, Any]:
    packed = files(__package__).joinpath("r4.json.gz").read_bytes()
    loaded: dict[str, Any] = orjson.loads(gzip.decompress(packed))
    return loaded


@cache
def resource_types() -> frozenset[str]:
    return frozenset(_registry()["resources"])


def schema_at(path: Sequence[str | int]) -> dict[str, Any]:
    """The part of the registry that the path of a validation error names."""
    node: Any = {"$defs": _registry()["schemas"]}
    for step in path:
        node = node[int(step)] if isinstance(node, list) else node.get(step, {})
    return node if isinstance(node, dict) else {}


class Element(NamedTuple):
    """What R4 says of one member of a type; its type is empty where there is none of this name."""

    type: str
    repeats: bool
    exists: bool


def element_of(kind: str, member: str) -> Element:
    found = schema_at(["$defs", kind, "properties", member])
    reference = str(found.get("items", found).get("$ref", ""))
    return Element(reference.removeprefix("#/$defs/"), found.get("type") == "array", bool(found))


@cache
def validator(resource_type: str) -> jsonschema_rs.Validator:
    """The compiled validator of one resource type, made when it is first wanted (about 20 ms, 2 MB)."""
    return _compiled(resource_type, _needed(resource_type))


@cache
def plain_validator(resource_type: str) -> jsonschema_rs.Validator:
    """A cheaper validator: what passes it is valid and holds no null, no `#` reference, nothing contained."""
    needed = _needed(resource_type)
    return _compiled(resource_type, {name: narrowed(name, one) for name, one in needed.items()})


def _compiled(resource_type: str, definitions: dict[str, Any]) -> jsonschema_rs.Validator:
    schema = {"$schema": DRAFT, "$ref": f"#/$defs/{resource_type}", "$defs": definitions}
    return jsonschema_rs.validator_for(
        schema, pattern_options=jsonschema_rs.RegexOptions(), keywords={"startBeforeEnd": StartBeforeEnd}
    )


def _needed(name: str) -> dict[str, Any]:
    """The schemas that one type reaches, itself included."""
    schemas = _registry()["schemas"]
    needed: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in needed:
            needed[one] = schemas[one]
            waiting += {found.decode() for found in _REFERRED.findall(orjson.dumps(schemas[one]))}
    return needed
