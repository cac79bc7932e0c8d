"""`$validate`: what would be said of a resource, and of what is meant to be done with it. Nothing is stored.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isodose.fhir.errors import Issue, bad_request
from isodose.fhir.resources import Resource
from isodose.fhir.validation import issues

MODES = ("create", "update", "delete", "profile")
_CORE = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be judged, as what: `type` and `id` are those of the URL."""

    resource: dict[str, Any] | None
    mode: str = ""
    profile: str = ""
    type: str = ""
    id: str = ""


def question(body: Resource | None, query: Mapping[str, str], type: str, id: str) -> Question:
    """What a body, which is the resource itself or Parameters, and a query ask. Raises 400."""
    resource = body.data if body is not None else None
    given = {name: query.get(name, "") for name in ("mode", "profile")}
    called = _called_with(resource) if resource is not None else {}
    if called.keys() & {"resource", *given}:
        resource = called.get("resource")
        given |= {name: str(called[name]) for name in given if name in called}
    if given["mode"] not in ("", *MODES):
        raise bad_request(f"The mode is one of {', '.join(MODES)}.", "mode", code="value")
    if given["mode"] in ("update", "delete") and not id:
        raise bad_request("With this mode the URL names the resource: Type/id/$validate.", "mode")
    if not isinstance(resource, dict):
        if given["mode"] != "delete":
            raise bad_request("There is no resource to judge; send one.", "resource", code="required")
        resource = None
    return Question(resource=resource, type=type, id=id, **given)


def _called_with(resource: dict[str, Any]) -> dict[str, Any]:
    """The values of Parameters by name; nothing for any other resource."""
    listed = resource.get("parameter") if resource.get("resourceType") == "Parameters" else None
    found: dict[str, Any] = {}
    for one in listed if isinstance(listed, list) else []:
        for key, value in one.items() if isinstance(one, dict) else ():
            if key == "resource" or key.startswith("value"):
                found[str(one.get("name"))] = value
    return found


def judged(asked: Question) -> list[Issue]:
    """Errors, warnings and what could not be judged."""
    return list(_judged(asked))


def _judged(asked: Question) -> Iterator[Issue]:
    resource = asked.resource
    if resource is None:
        return
    kind = str(resource.get("resourceType"))
    if asked.type and kind != asked.type:
        yield Issue("invalid", f"The URL is that of {asked.type}.", (f"{kind}.resourceType",))
    if asked.mode == "update" and resource.get("id") != asked.id:
        yield Issue("value", "An update has the id of the URL.", (f"{kind}.id",))
    if asked.profile and asked.profile != f"{_CORE}{kind}":
        said = "This profile is not known here, so the resource is judged by R4 alone."
        yield Issue("not-supported", said, (kind,))
    yield from issues(resource)
