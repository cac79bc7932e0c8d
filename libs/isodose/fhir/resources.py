"""Resources as the bytes that came in: parsed to look at, spliced to store, so that 1.50 stays 1.50.

https://hl7.org/fhir/R4/json.html · https://hl7.org/fhir/R4/datatypes.html#decimal
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn

import msgspec
import orjson

from isodose.fhir.errors import bad_request, too_large

BASE = "https://isodose.example/fhir"
RESULT_SYSTEM = f"{BASE}/NamingSystem/result"
ABOUT_NO_PATIENT = frozenset({"ActivityDefinition", "Library", "PlanDefinition", "ResearchStudy"})
"""Types of results that are the same for every patient: definitions, and trials that guidance points to."""
CREATED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
    "code": "CREATE",
    "display": "create",
}
"""What a Provenance of ours tells of: resources were made."""
MAX_BODY = 20 * 1024 * 1024

_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: `data` to read, `raw` to store. Nothing is ever stored from `data`."""

    type: str
    id: str | None
    data: dict[str, Any]
    raw: bytes


def parse(body: bytes, max_bytes: int = MAX_BODY) -> Resource:
    """The resource in a request body; raises FhirError for what is not a FHIR resource in JSON.

    Refused: more than `max_bytes`, invalid UTF-8, NaN and numbers beyond a double, nesting beyond 254 levels,
    duplicate names, control characters.
    """
    if len(body) > max_bytes:
        raise too_large(
            f"The body has {len(body)} bytes; at most {max_bytes} are taken. Split it.", "Resource"
        )
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(
            f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}).",
            "Resource",
            code="structure",
        ) from None
    if not isinstance(data, dict):
        raise bad_request("The body is not a JSON object; send one resource.", "Resource", code="structure")
    _check_text(body, data)
    return resource_of(data, body)


def resource_of(data: dict[str, Any], raw: bytes) -> Resource:
    kind = data.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise bad_request(
            "resourceType is missing or not the name of a resource type.",
            "Resource.resourceType",
            code="structure",
        )
    found = data.get("id")
    if found is not None and not is_id(found):
        raise bad_request("The id must be 1 to 64 letters, digits, '-' or '.'.", f"{kind}.id", code="value")
    return Resource(kind, found, data, raw)


def is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def dump(data: Mapping[str, Any]) -> bytes:
    """The text of a resource that was built here."""
    return orjson.dumps(data)


def with_meta(raw: bytes, id: str, version: int, last_updated: datetime) -> bytes:
    """`raw` with the id, meta.versionId and meta.lastUpdated of this server; every other byte as it was."""
    members = _members.decode(raw)
    meta = members.pop("meta", None)
    kept = _members.decode(meta) if meta is not None else {}
    kept["versionId"] = msgspec.Raw(b'"%d"' % version)
    kept["lastUpdated"] = msgspec.Raw(f'"{instant(last_updated)}"'.encode())
    head = {"resourceType": members.pop("resourceType"), "id": msgspec.Raw(f'"{id}"'.encode())}
    members.pop("id", None)
    return _encoder.encode(head | {"meta": msgspec.Raw(_encoder.encode(kept))} | members)


@lru_cache(maxsize=64)
def instant(moment: datetime) -> str:
    """A FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@lru_cache(maxsize=4096)
def result_id(key: str) -> str:
    """The id of the result known by this stable key: the same key gives the same id everywhere, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{RESULT_SYSTEM}|{key}"))


def result_key(data: Mapping[str, Any]) -> str | None:
    """The stable key when this is a result of the platform itself, else None."""
    identifiers = data.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
        if isinstance(identifier, dict) and str(identifier.get("system", "")).endswith(
            "/NamingSystem/result"
        ):
            return str(identifier.get("value"))
    return None


def _check_text(body: bytes, data: dict[str, Any]) -> None:
    try:
        again = orjson.dumps(data)
    except TypeError:
        raise bad_request(
            "The body is nested too deeply; at most 254 levels are taken.", "Resource", code="structure"
        ) from None
    escapes = b"\\" in body
    # A name given twice survives once: its colon is missing in `again`. An escape may hide one: look closely.
    if body != again and (body.count(b":") != again.count(b":") or (escapes and b"\\u00" in body)):
        _refuse_duplicates(body)
    if escapes and (b"\\u00" in body or b"\\b" in body or b"\\f" in body):
        _refuse_control(data, str(data.get("resourceType", "Resource")))


def _refuse_duplicates(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            names = [name for name, _ in pairs]
            _duplicate(next(name for name in names if names.count(name) > 1))
        return members

    json.loads(body, object_pairs_hook=unique)


def _duplicate(name: str) -> NoReturn:
    raise bad_request(
        "A JSON object holds the same name twice; keep one.",
        f"Resource.descendants().{name}" if name.isidentifier() else "Resource",
        code="structure",
    )


def _refuse_control(node: Any, path: str) -> None:
    if isinstance(node, dict):
        for name, value in node.items():
            _refuse_control(value, f"{path}.{name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _refuse_control(value, f"{path}[{index}]")
    elif isinstance(node, str) and _CONTROL.search(node):
        raise bad_request(
            "The text holds a control character; FHIR allows tab, line feed and carriage return only.",
            path,
            code="value",
        )
