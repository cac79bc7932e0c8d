"""Which search parameters each type has, and the rows they give one resource in the search index.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from isodose.clinical.written import parsed
from isodose.fhir import dates
from isodose.fhir.definitions import element_of, schema_at
from isodose.fhir.r4_search import standard
from isodose.fhir.references import target

_Make = Callable[[str, Any, str], list["Row"]]
Kind = Literal["token", "string", "date", "reference", "patient", "quantity", "number", "uri", "composite"]
LONGEST = 255
# Seconds, farther than any date: periods without start or end. The JSON that carries rows has no infinity.
ENDLESS = 1e15


class Parameter(NamedTuple):
    """One search parameter: its kind and the elements it looks at, each as a path of member names.

    A composite looks at no element: its paths name the parameters that it joins.
    """

    name: str
    kind: Kind
    paths: tuple[tuple[str, ...], ...]

    def values(self, data: dict[str, Any]) -> Iterator[Any]:
        """What the resource has in these elements."""
        for path in self.paths:
            yield from _follow(data, path)


class Row(NamedTuple):
    """One searchable value of one resource, as a row of `search_index` has it after type and id."""

    param: str
    system: str | None = None
    value: str | None = None
    low: float | None = None
    high: float | None = None
    text: str | None = None


@cache
def parameters(resource_type: str) -> dict[str, Parameter]:
    """The parameters of a type by name. Unlisted types have identifier, patient, subject where R4 has
    them.
    """
    listed, defined = _table(), standard(resource_type)
    elements = schema_at(["$defs", resource_type, "properties"])
    paths = [name for name in ("patient", "subject") if name in elements]
    named = {"patient", "subject"} if paths else set()
    unlisted: dict[str, list[str]] = {name: ["patient", *paths] for name in named & defined.keys()}
    common = {name: row for name, row in listed["_all"].items() if name in defined}
    rows = {**common, **listed.get(resource_type, unlisted)}
    found = {name: _parameter(name, row) for name, row in rows.items()}
    for name, alias in (("subject", "patient"), ("patient", "subject")):
        if name in found and found[name].kind == "patient" and resource_type != "Patient":
            found.setdefault(alias, found[name]._replace(name=alias))
    return found


def patient_of(resource_type: str, data: dict[str, Any], base: str) -> str | None:
    """The patient whose compartment the resource is in."""
    if resource_type == "Patient":
        return data.get("id")
    for parameter in parameters(resource_type).values():
        if parameter.kind == "patient":
            for value in parameter.values(data):
                found = target(value.get("reference", ""), base) if isinstance(value, dict) else None
                if found is not None and found[0] == "Patient":
                    return found[1]
    return None


def rows(resource_type: str, data: dict[str, Any], base: str) -> set[Row]:
    """The index rows of one resource. The patient is a column of the resource and needs none but for who is
    named by an identifier.
    """
    plan = _plan(resource_type)
    found: set[Row] = set()
    for member in data:
        for name, path, make in plan.get(member, ()):
            for value in _follow(data, path):
                found.update(make(name, value, base))
    return found


def folded(text: str) -> str:
    """Text as string search compares it: without case and accents."""
    if text.isascii():
        return text[:LONGEST].lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()[:LONGEST]


@cache
def element_type(resource_type: str, path: tuple[str, ...]) -> str:
    """The datatype of an element; empty where R4 has no such element."""
    name = resource_type
    for member in path:
        name = element_of(name, member).type
    return name


@cache
def _plan(resource_type: str) -> dict[str, list[tuple[str, tuple[str, ...], _Make]]]:
    """What to index for each member that a resource may have at its top."""
    plan: dict[str, list[tuple[str, tuple[str, ...], _Make]]] = {}
    for parameter in parameters(resource_type).values():
        if parameter.kind in _ROWS:
            for path in parameter.paths:
                plan.setdefault(path[0], []).append((parameter.name, path, _ROWS[parameter.kind]))
    return plan


def _parameter(name: str, row: list[str]) -> Parameter:
    kind, *elements = row
    paths = [path for element in elements for path in element.split("|")]
    return Parameter(name, kind, tuple(tuple(path.split(".")) for path in paths))  # type: ignore[arg-type]


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    text = files(__package__).joinpath("search_parameters.yaml").read_text("utf-8")
    table: dict[str, dict[str, list[str]]] = parsed(text)
    return table


def _follow(node: dict[str, Any], path: tuple[str, ...]) -> list[Any]:
    """What stands at the end of the path, lists on the way opened."""
    value = node.get(path[0])
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if len(path) == 1:
        return values
    return [found for one in values if isinstance(one, dict) for found in _follow(one, path[1:])]


def _token(name: str, value: Any, _base: str) -> list[Row]:
    if isinstance(value, bool):
        return [Row(name, None, "true" if value else "false")]
    if isinstance(value, str):
        return [Row(name, None, value[:LONGEST])]
    if not isinstance(value, dict):
        return []
    found = []
    for coding in value.get("coding", (value,)):
        code, display = coding.get("code", coding.get("value")), coding.get("display")
        if isinstance(code, str) or display:
            text = folded(display) if isinstance(display, str) else None
            found.append(Row(name, _cut(coding.get("system")), _cut(code), text=text))
    kind = value.get("type")
    of = kind if isinstance(kind, dict) else {}
    if text := value.get("text", of.get("text")):
        found.append(Row(name, text=folded(text)))
    found += [_of_type(name, coding, value) for coding in of.get("coding", ()) if "value" in value]
    return found


def _of_type(name: str, coding: dict[str, Any], identifier: dict[str, Any]) -> Row:
    typed = f"{coding.get('code', '')}|{identifier['value']}"
    return Row(f"{name}:of-type", _cut(coding.get("system")), typed[:LONGEST])


def _string(name: str, value: Any, _base: str) -> list[Row]:
    return [Row(name, value=folded(part), text=part[:LONGEST]) for part in _texts(value)]


def _texts(value: Any) -> Iterator[str]:
    """The words of a name or an address: every text in it but its codes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in ("text", "family", "given", "prefix", "suffix", "line", "city", "district", "state"):
            found = value.get(member, [])
            yield from (part for part in ([found] if isinstance(found, str) else found) if part)
        for member in ("postalCode", "country"):
            yield from [value[member]] if member in value else []


def _date(name: str, value: Any, _base: str) -> list[Row]:
    if isinstance(value, str):
        start, end = dates.bounds(value)
        return [Row(name, None, None, start.timestamp(), end.timestamp())]
    if not isinstance(value, dict):
        return []
    low = dates.bounds(value["start"])[0].timestamp() if "start" in value else -ENDLESS
    high = dates.bounds(value["end"])[1].timestamp() if "end" in value else ENDLESS
    return [Row(name, None, None, low, high)]


def _reference(name: str, value: Any, base: str) -> list[Row]:
    if not isinstance(value, dict):
        return []
    found = []
    reference = value.get("reference")
    if isinstance(reference, str):
        kind, key = target(reference, base) or (None, reference[:LONGEST])
        found.append(Row(name, kind, key))
    return found + _logical(name, value, base)


def _logical(name: str, value: Any, _base: str) -> list[Row]:
    """What a reference says by identifier, as `:identifier` searches it."""
    found = value.get("identifier") if isinstance(value, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("value"), str):
        return []
    return [Row(f"{name}:identifier", _cut(found.get("system")), found["value"][:LONGEST])]


def _quantity(name: str, value: Any, _base: str) -> list[Row]:
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return []
    number = float(value["value"])
    unit = value.get("code", value.get("unit"))
    return [Row(name, _cut(value.get("system")), _cut(unit), number, number)]


def _number(name: str, value: Any, _base: str) -> list[Row]:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return [] if number is None else [Row(name, None, None, number, number)]


def _uri(name: str, value: Any, _base: str) -> list[Row]:
    return [Row(name, None, value[:LONGEST])] if isinstance(value, str) else []


def _cut(value: Any) -> str | None:
    return value[:LONGEST] if isinstance(value, str) else None


_ROWS: dict[str, _Make] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "reference": _reference,
    "patient": _logical,
    "quantity": _quantity,
    "number": _number,
    "uri": _uri,
}
