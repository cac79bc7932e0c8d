"""Where in a resource the elements stand that a FHIRPath expression selects.

https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import fhirpathpy
from fhirpathpy.models import models
from fhirpathpy.parser import parse

from isodose.fhir.definitions import element_of

Json = dict[str, Any]
Path = tuple[str | int, ...]
LONGEST = 500
# Functions that select; the rest would compute something that stands nowhere, or cost what nobody expects.
SELECTING = frozenset(
    {
        "where", "first", "last", "single", "tail", "skip", "take", "ofType", "as", "is", "extension",
        "exists", "empty", "not", "hasValue", "count",
    }
)  # fmt: skip
_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[(\d+)\])?")


class NoExpressionError(Exception):
    """Not FHIRPath, or more than selects elements of this resource; the message says which."""


class Place(NamedTuple):
    """One element: its path from the top, and its name, which is `value` where `valueQuantity` holds it."""

    path: Path
    name: str

    @property
    def key(self) -> str:
        """The member of the object that holds the element or the list that it is in."""
        return _key(self.path)

    @property
    def holder(self) -> Path:
        """The path of that object."""
        return _holder(self.path)


def places(resource: Json, expression: str) -> list[Place]:
    """The elements that the expression selects; the path of the top is empty. Raises NoExpressionError."""
    parsed = _parsed(expression)
    try:
        found = fhirpathpy.apply_parsed_path(
            resource, parsed, {}, models["r4"], options={"returnRawData": True}
        )
    except Exception as error:  # the library has no errors of its own
        raise NoExpressionError("It cannot be evaluated on this resource.") from error
    known = {id(node): path for path, node in _objects(resource, ())}
    selected = [(one, _place(resource, one, known)) for one in found]
    # An id or extension beside a value of a list comes as one more element, at the first one's place.
    return [place for one, place in selected if one.data is not None or at(resource, place.path) is None]


def at(resource: Json, path: Path) -> Any:
    """The element at this path."""
    node: Any = resource
    for step in path:
        node = node[step]
    return node


def type_of(resource: Json, path: Path) -> str:
    """The name of the type of the element at this path, as the definitions have it."""
    kind, node = str(resource["resourceType"]), resource
    for step in path:
        node = node[step]  # type: ignore[index]
        if isinstance(step, str):
            kind = element_of(kind, step).type
        if isinstance(node, dict) and "resourceType" in node:
            kind = str(node["resourceType"])
    return kind


@lru_cache(maxsize=256)
def _parsed(expression: str) -> Json:
    if len(expression) > LONGEST:
        raise NoExpressionError(f"It has more than {LONGEST} characters.")
    try:
        parsed: Json = parse(expression)
        called = {str(node["children"][0]["terminalNodeText"][0]) for node in _nodes(parsed, "Functn")}
        constants = any(True for _ in _nodes(parsed, "ExternalConstant"))
    except Exception as error:  # as above
        raise NoExpressionError("It is not FHIRPath.") from error
    if called - SELECTING or constants:
        raise NoExpressionError(f"It may use these functions alone: {', '.join(sorted(SELECTING))}.")
    return parsed


def _nodes(tree: Json, kind: str) -> Iterator[Json]:
    if tree.get("type") == kind:
        yield tree
    for child in tree.get("children", ()):
        yield from _nodes(child, kind)


def _objects(node: Any, path: Path) -> Iterator[tuple[Path, Json]]:
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from _objects(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _objects(value, (*path, index))


def _place(resource: Json, found: Any, known: dict[int, Path]) -> Place:
    if id(getattr(found, "data", None)) in known:
        path = known[id(found.data)]
        return Place(path, _base_name(type_of(resource, _holder(path)), _key(path)) if path else "")
    named = getattr(found, "propName", None)
    if not named:
        raise NoExpressionError("It selects something that is no element of this resource.")
    return _walked(resource, str(named).split(".")[1:])


def _key(path: Path) -> str:
    return str(path[-2 if isinstance(path[-1], int) else -1])


def _holder(path: Path) -> Path:
    return path[: -2 if path and isinstance(path[-1], int) else -1]


def _walked(resource: Json, steps: list[str]) -> Place:
    node: Any = resource
    path: Path = ()
    for step in steps:
        found = _STEP.fullmatch(step)
        key = _key_in(node, found[1], type_of(resource, path)) if found else None
        if found is None or key is None:
            raise NoExpressionError("It selects something that is no element of this resource.")
        node, path = node[key], (*path, key)
        if isinstance(node, list):
            index = int(found[2] or 0)
            node, path = node[index], (*path, index)
    return Place(path, _STEP.fullmatch(steps[-1])[1])  # type: ignore[index]


def _key_in(node: Json, name: str, kind: str) -> str | None:
    if name in node:
        return name
    return next((key for key in node if _base_name(kind, key) == name), None)


def _base_name(kind: str, key: str) -> str:
    """The element's name without the type of a choice: `value` for `valueQuantity`."""
    return _choices(kind).get(key, key)


@lru_cache(maxsize=256)
def _choices(kind: str) -> dict[str, str]:
    """The members of a type that are choices of an element, with its name."""
    listed = models["r4"]["choiceTypePaths"].items()
    named = [(path.rpartition("."), types) for path, types in listed]
    return {f"{name}{one}": name for (holder, _, name), types in named if holder == kind for one in types}
