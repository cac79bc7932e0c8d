"""FHIRPath Patch: add, insert, delete, replace and move, as a Parameters resource says it.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from isodose.fhir import errors
from isodose.fhir.definitions import element_of
from isodose.fhir.errors import FhirError
from isodose.fhir.fhirpath_places import NoExpressionError, Place, at, places, type_of

Json = dict[str, Any]
Given = tuple[Any, Json | None]
"""A value, and the id and extensions that stand beside it where it is primitive."""
MOST_OPERATIONS = 200
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
_TAKEN = {"path": "valueString", "name": "valueString", "type": "valueCode"} | dict.fromkeys(
    ("index", "source", "destination"), "valueInteger"
)


class Part(NamedTuple):
    """One part of an operation, with its place in the Parameters."""

    said: Json
    at: str

    def value(self, name: str) -> Any:
        key = _TAKEN[name]
        if key not in self.said:
            raise errors.bad_request(f"The part {name} is a {key}.", self.at, code="value")
        return self.said[key]


def apply(resource: Json, patch: Json, path: str = "Parameters") -> None:
    """Change `resource` as the Parameters say, one operation after the other; half done where it raises.

    Raises FhirError with the FHIRPath of the culprit below `path`: 400 for what is no FHIRPath Patch, 422 for
    an operation that cannot be done.
    """
    operations = patch.get("parameter", [])
    if len(operations) > MOST_OPERATIONS:
        raise errors.bad_request(f"At most {MOST_OPERATIONS} operations are taken.", f"{path}.parameter")
    for index, operation in enumerate(operations):
        where = f"{path}.parameter[{index}]"
        if operation.get("name") != "operation":
            raise errors.bad_request("Each parameter is an operation.", f"{where}.name", code="value")
        kind, parts = _parts(operation, where)
        _DONE[kind](resource, parts)


def _parts(operation: Json, at: str) -> tuple[str, dict[str, Part]]:
    parts: dict[str, Part] = {}
    for index, said in enumerate(operation.get("part", [])):
        where = f"{at}.part[{index}]"
        if said["name"] in parts:
            raise errors.bad_request("This part is there twice.", where, code="structure")
        parts[said["name"]] = Part(said, where)
    if "type" not in parts:
        raise errors.bad_request("The part type is missing.", f"{at}.part", code="required")
    kind = parts["type"].value("type")
    if kind not in _NEEDED:
        said = f"The type is one of {', '.join(_NEEDED)}."
        raise errors.bad_request(said, f"{parts['type'].at}.valueCode", code="value")
    for name in _NEEDED[kind]:
        if name not in parts:
            raise errors.bad_request(f"The part {name} is missing.", f"{at}.part", code="required")
    for name in parts.keys() - {"type", *_NEEDED[kind]}:
        raise errors.bad_request(f"{kind} takes no such part.", parts[name].at, code="structure")
    return str(kind), parts


def _add(resource: Json, parts: dict[str, Part]) -> None:
    place = _single(_found(resource, parts["path"]), parts["path"])
    holder = at(resource, place.path)
    if not isinstance(holder, dict):
        raise _cannot("Nothing is added to an element that holds a value alone.", parts["path"])
    kind = type_of(resource, place.path)
    key, given = _member(kind, parts["name"].value("name"), parts["value"], parts["name"])
    if element_of(kind, key).repeats:
        _keep(holder, key, [*_listed(holder, key), given])
    elif key in holder:
        raise _cannot("The element is there already; replace it.", parts["name"])
    else:
        _put(holder, key, given)


def _insert(resource: Json, parts: dict[str, Part]) -> None:
    place, holder, held = _list(resource, parts["path"])
    index = _index(parts["index"], "index", len(held) + 1)
    _key, given = _member(type_of(resource, place.holder), place.key, parts["value"], parts["path"])
    held.insert(index, given)
    _keep(holder, place.key, held)


def _delete(resource: Json, parts: dict[str, Part]) -> None:
    found = _found(resource, parts["path"])
    if not found:
        return
    place = _below_top(_single(found, parts["path"]), parts["path"])
    holder, last = at(resource, place.holder), place.path[-1]
    if isinstance(last, int):
        held = _listed(holder, place.key)
        del held[last]
        _keep(holder, place.key, held)
    else:
        _forget(holder, place.key)


def _replace(resource: Json, parts: dict[str, Part]) -> None:
    place = _below_top(_single(_found(resource, parts["path"]), parts["path"]), parts["path"])
    holder, last = at(resource, place.holder), place.path[-1]
    key, given = _member(type_of(resource, place.holder), place.name, parts["value"], parts["path"])
    if isinstance(last, int):
        held = _listed(holder, key)
        held[last] = given
        _keep(holder, key, held)
    else:
        _forget(holder, place.key)
        _put(holder, key, given)


def _move(resource: Json, parts: dict[str, Part]) -> None:
    place, holder, held = _list(resource, parts["path"])
    source = _index(parts["source"], "source", len(held))
    destination = _index(parts["destination"], "destination", len(held))
    held.insert(destination, held.pop(source))
    _keep(holder, place.key, held)


_DONE: Mapping[str, Callable[[Json, dict[str, Part]], None]] = {
    "add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move,
}  # fmt: skip


def _found(resource: Json, path: Part) -> list[Place]:
    try:
        return places(resource, path.value("path"))
    except NoExpressionError as error:
        said = f"The path is not one that a patch can follow. {error}"
        raise errors.bad_request(said, f"{path.at}.valueString", code="value") from None


def _single(found: list[Place], path: Part) -> Place:
    if len(found) != 1:
        raise _cannot(f"The path has to select one element; it selects {len(found)}.", path)
    return found[0]


def _below_top(place: Place, path: Part) -> Place:
    if not place.path:
        raise _cannot("A patch neither deletes nor replaces the resource itself.", path)
    return place


def _list(resource: Json, path: Part) -> tuple[Place, Json, list[Given]]:
    """The whole list that the path selects, with its first element's place and the object that holds it."""
    found = _found(resource, path)
    if not found:
        raise _cannot("The path selects no list; add its first element.", path)
    first = found[0]
    whole = isinstance(at(resource, first.path[:-1]), list) if first.path else False
    holder: Json = at(resource, first.holder) if whole else {}
    held = _listed(holder, first.key) if whole else []
    if [one.path for one in found] != [(*first.path[:-1], index) for index in range(len(held))]:
        raise _cannot("The path has to select one whole list.", path)
    return first, holder, held


def _index(part: Part, name: str, end: int) -> int:
    value = part.value(name)
    if not 0 <= value < end:
        raise _cannot(f"The {name} has to be from 0 to {end - 1}.", part, "valueInteger")
    return int(value)


def _forget(holder: Json, key: str) -> None:
    holder.pop(key, None)
    holder.pop(f"_{key}", None)


def _put(holder: Json, key: str, given: Given) -> None:
    holder[key], beside = given
    if beside:
        holder[f"_{key}"] = beside


def _listed(holder: Json, key: str) -> list[Given]:
    """A list with what stands beside its values, where they are primitive."""
    return list(zip_longest(holder.get(key, []), holder.get(f"_{key}", [])))


def _keep(holder: Json, key: str, held: list[Given]) -> None:
    _forget(holder, key)
    if held:
        holder[key] = [value for value, _ in held]
    if any(beside for _, beside in held):
        holder[f"_{key}"] = [beside for _, beside in held]


def _member(kind: str, name: str, value: Part, named: Part) -> tuple[str, Given]:
    """The member of a type that takes this value, with the value."""
    suffix, given = _given(value)
    for key in (name, f"{name}{suffix}"):
        element = element_of(kind, key)
        if element.exists and not key.startswith("_"):
            return key, given or (_built(element.type, value), None)
    raise _cannot("There is no such element here, or it does not take this type.", named)


def _given(value: Part) -> tuple[str, Given | None]:
    """The type of a value and the value; neither where it is given part by part."""
    if "resource" in value.said:
        return "", (value.said["resource"], None)
    for key, held in value.said.items():
        if key.startswith("value"):
            return key.removeprefix("value"), (held, value.said.get(f"_{key}"))
    if not value.said.get("part"):
        raise errors.bad_request("The part value has a value or parts.", value.at, code="required")
    return "", None


def _built(kind: str, value: Part) -> Json:
    """An element that is given by its members."""
    made: Json = {}
    for index, said in enumerate(value.said["part"]):
        part = Part(said, f"{value.at}.part[{index}]")
        key, given = _member(kind, said["name"], part, part)
        if element_of(kind, key).repeats:
            _keep(made, key, [*_listed(made, key), given])
        elif key in made:
            raise errors.bad_request("This part is there twice.", part.at, code="structure")
        else:
            _put(made, key, given)
    return made


def _cannot(said: str, part: Part, key: str = "valueString") -> FhirError:
    where = f"{part.at}.{key}" if key in part.said else part.at
    return errors.unprocessable(said, where, code="processing")
