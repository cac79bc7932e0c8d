"""Judges a resource by HL7's R4 definitions: its structure by a compiled schema, the rest by a few rules.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from isodose.fhir.definitions import plain_validator, resource_types, validator
from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.explain import issues_of
from isodose.fhir.invariants import broken, is_sound

Json = dict[str, Any]
MAX_ISSUES = 20


def validate(resource: Json, path: str | None = None) -> None:
    """Raise FhirError (422, with a FHIRPath for each issue) unless the resource is valid R4."""
    if is_plain(resource):
        return
    errors = [issue for issue in issues(resource, path) if issue.severity == "error"]
    if errors:
        raise FhirError(422, errors[:MAX_ISSUES])


def is_plain(resource: Json) -> bool:
    """Whether the resource is valid as the cheap look sees it; False says nothing.

    Most resources hold nothing rare, and this costs them about twice what parsing them did (measured).
    """
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind not in resource_types():
        return False
    field = _HOLDERS.get(kind)
    if field is None:
        return bool(plain_validator(kind).is_valid(resource)) and is_sound(resource)
    rows = resource.get(field)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return False
    shell = {**resource, field: [{**r, "resource": _PLACEHOLDER} if "resource" in r else r for r in rows]}
    return (
        bool(plain_validator(kind).is_valid(shell))
        and is_sound(resource)
        and all(
            isinstance(row["resource"], dict) and is_plain(row["resource"])
            for row in rows
            if "resource" in row
        )
        and not any("part" in row or "outcome" in row.get("response", ()) for row in rows)
    )


def issues(resource: Json, path: str | None = None) -> Iterator[Issue]:
    """Errors and warnings of a resource and of every resource inside it."""
    kind = resource.get("resourceType")
    path = path or str(kind)
    if not isinstance(kind, str) or kind not in resource_types():
        yield Issue("structure", "R4 has no resource of this type.", (f"{path}.resourceType",))
        return
    shell, inside = _apart(resource, path)
    checked = validator(kind)
    if checked.is_valid(shell):
        yield from broken(shell if kind in _HOLDERS else resource, path)
    else:
        for error in islice(checked.iter_errors(shell), MAX_ISSUES):
            yield from issues_of(error, path)
    for where, one in inside:
        yield from issues(one, where)


def _apart(resource: Json, path: str) -> tuple[Json, list[tuple[str, Json]]]:
    """The resource without the resources inside it, and those with their paths."""
    inside: list[tuple[str, Json]] = []
    shell = resource
    contained = resource.get("contained")
    if isinstance(contained, list) and contained:
        inside += [
            (f"{path}.contained[{i}]", one) for i, one in enumerate(contained) if isinstance(one, dict)
        ]
        if len(inside) == len(contained):
            shell = {name: value for name, value in resource.items() if name != "contained"}
    field = _HOLDERS.get(resource["resourceType"])
    if field is not None and isinstance(resource.get(field), list):
        rows = [_emptied(row, f"{path}.{field}[{i}]", inside) for i, row in enumerate(resource[field])]
        shell = {**shell, field: rows}
    return shell, inside


_HOLDERS = {"Bundle": "entry", "Parameters": "parameter"}
_HELD = ("resource", "part", "response")
_PLACEHOLDER = {"resourceType": "Basic"}


def _emptied(row: Any, path: str, inside: list[tuple[str, Json]]) -> Any:
    if not isinstance(row, dict):
        return row
    emptied = row
    held = row.get("resource")
    if isinstance(held, dict):
        inside.append((f"{path}.resource", held))
        emptied = {**emptied, "resource": _PLACEHOLDER}
    parts = row.get("part")
    if isinstance(parts, list):
        emptied = {
            **emptied,
            "part": [_emptied(part, f"{path}.part[{i}]", inside) for i, part in enumerate(parts)],
        }
    outcome = row["response"].get("outcome") if isinstance(row.get("response"), dict) else None
    if isinstance(outcome, dict):
        inside.append((f"{path}.response.outcome", outcome))
    return emptied
