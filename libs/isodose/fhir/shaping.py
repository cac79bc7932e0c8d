"""Gives back less than the whole resource when that is asked for, or indents it.

https://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from isodose.fhir.errors import bad_request
from isodose.fhir.r4_search import mandatory_elements, summary_elements

Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(Members)
_entries = msgspec.json.Decoder(list[Members])
_encode = msgspec.json.Encoder().encode
_SUBSETTED = b'{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}'
_SUMMARIES = ("true", "text", "data", "count", "false")


@dataclass(frozen=True, slots=True)
class Shape:
    """What is left of each resource, and whether the text is indented."""

    summary: str = ""
    elements: frozenset[str] = frozenset()
    pretty: bool = False

    def keeps(self, kind: str, member: str) -> bool:
        name = member.removeprefix("_")
        if self.summary == "data":
            return name != "text"
        wanted = self.elements | mandatory_elements(kind)
        if self.summary == "true":
            wanted = summary_elements(kind) | mandatory_elements(kind)
        elif self.summary == "text":
            wanted = mandatory_elements(kind) | {"text"}
        return name in wanted or any(
            name.startswith(one) and name[len(one) : len(one) + 1].isupper() for one in wanted
        )


def asked(query: Mapping[str, str]) -> Shape | None:
    """The shape that a query asks for; None for the whole as it is."""
    summary, elements = query.get("_summary", ""), query.get("_elements", "")
    if summary and summary not in _SUMMARIES:
        raise bad_request(f"_summary must be one of {', '.join(_SUMMARIES)}.", code="value")
    named = frozenset(name.rpartition(".")[2].strip() for name in elements.split(",") if name.strip())
    pretty = query.get("_pretty") == "true"
    summary = "" if summary in ("false", "count") else summary
    return Shape(summary, named, pretty) if summary or named or pretty else None


def shaped(body: bytes, shape: Shape) -> bytes:
    """The body in this shape: a resource, or a Bundle whose entries are. What is kept stays as it was
    written.
    """
    if shape.summary or shape.elements:
        members = _members.decode(body)
        kind = _kind(members)
        if kind == "Bundle":
            body = _encode(_bundle(members, shape))
        elif kind != "OperationOutcome":
            body = _encode(_less(members, kind, shape))
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2) if shape.pretty else body


def _bundle(members: Members, shape: Shape) -> dict[str, Any]:
    entries = []
    for entry in _entries.decode(members["entry"]) if "entry" in members else []:
        less: dict[str, Any] = dict(entry)
        if "resource" in entry:
            inner = _members.decode(entry["resource"])
            less["resource"] = _less(inner, _kind(inner), shape)
        entries.append(less)
    return {**members, "entry": entries} if entries else dict(members)


def _less(members: Members, kind: str, shape: Shape) -> dict[str, Any]:
    kept: dict[str, Any] = {name: value for name, value in members.items() if shape.keeps(kind, name)}
    meta: dict[str, Any] = dict(_members.decode(members["meta"])) if "meta" in members else {}
    tags = msgspec.json.decode(meta["tag"], type=list[msgspec.Raw]) if "tag" in meta else []
    return {**kept, "meta": {**meta, "tag": [*tags, msgspec.Raw(_SUBSETTED)]}}


def _kind(members: Members) -> str:
    return str(msgspec.json.decode(members["resourceType"]))
