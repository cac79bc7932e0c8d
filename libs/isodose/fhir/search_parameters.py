"""Which search parameters each type has, and the rows they give one resource in the search index.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import msgspec

from isodose.clinical.written import parsed
from isodose.fhir import dates
from isodose.fhir.definitions import element_of, schema_at
from isodose.fhir.r4_search import standard
from isodose.fhir.references import target

_Row = Callable[..., "Row"]
_Make = Callable[[_Row, str, Any, str], list["Row"]]
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
            yield from _follow(data.get(path[0]), path[1:])


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One searchable value of one resource: a row of `search_index`."""

    type: str
    id: str
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


def rows(resource_type: str, id: str, data: dict[str, Any], base: str) -> Collection[Row]:
    """The index rows of one resource, each once. The patient is a column of the resource and needs none but
    for who is named by an identifier.
    """
    plan, row = _plan(resource_type), partial(Row, resource_type, id)
    found: list[Row] = []
    for member, value in data.items():
        for name, path, make in plan.get(member, ()):
            for one in _follow(value, path):
                found += make(row, name, one, base)
    return dict.fromkeys(found)


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
    """What to index for each member that a resource may have at its top: the parameter, the path from there,
    and what makes the rows.
    """
    plan: dict[str, list[tuple[str, tuple[str, ...], _Make]]] = {}
    for parameter in parameters(resource_type).values():
        if parameter.kind in _ROWS:
            for first, *rest in parameter.paths:
                plan.setdefault(first, []).append((parameter.name, tuple(rest), _ROWS[parameter.kind]))
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


def _follow(value: Any, path: Sequence[str]) -> list[Any]:
    """What stands at the end of the path from here, lists on the way opened."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if not path:
        return values
    first, rest = path[0], path[1:]
    return [found for one in values if isinstance(one, dict) for found in _follow(one.get(first), rest)]


def _token(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    if isinstance(value, bool):
        return [row(name, None, "true" if value else "false")]
    if isinstance(value, str):
        return [row(name, None, value[:LONGEST])]
    if not isinstance(value, dict):
        return []
    found = []
    for coding in value.get("coding", (value,)):
        code, display = coding.get("code", coding.get("value")), coding.get("display")
        if isinstance(code, str) or display:
            text = folded(display) if isinstance(display, str) else None
            found.append(row(name, _cut(coding.get("system")), _cut(code), text=text))
    kind = value.get("type")
    of = kind if isinstance(kind, dict) else {}
    if text := value.get("text", of.get("text")):
        found.append(row(name, text=folded(text)))
    found += [_of_type(row, name, coding, value) for coding in of.get("coding", ()) if "value" in value]
    return found


def _of_type(row: _Row, name: str, coding: dict[str, Any], identifier: dict[str, Any]) -> Row:
    typed = f"{coding.get('code', '')}|{identifier['value']}"
    return row(f"{name}:of-type", _cut(coding.get("system")), typed[:LONGEST])


def _string(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    return [row(name, value=folded(part), text=part[:LONGEST]) for part in _texts(value)]


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


def _date(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    if isinstance(value, str):
        start, end = dates.bounds(value)
        return [row(name, None, None, start.timestamp(), end.timestamp())]
    if not isinstance(value, dict):
        return []
    low = dates.bounds(value["start"])[0].timestamp() if "start" in value else -ENDLESS
    high = dates.bounds(value["end"])[1].timestamp() if "end" in value else ENDLESS
    return [row(name, None, None, low, high)]


def _reference(row: _Row, name: str, value: Any, base: str) -> list[Row]:
    if not isinstance(value, dict):
        return []
    found = []
    reference = value.get("reference")
    if isinstance(reference, str):
        kind, key = target(reference, base) or (None, reference[:LONGEST])
        found.append(row(name, kind, key))
    return found + _logical(row, name, value, base)


def _logical(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    """What a reference says by identifier, as `:identifier` searches it."""
    found = value.get("identifier") if isinstance(value, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("value"), str):
        return []
    return [row(f"{name}:identifier", _cut(found.get("system")), found["value"][:LONGEST])]


def _quantity(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return []
    number = float(value["value"])
    unit = value.get("code", value.get("unit"))
    return [row(name, _cut(value.get("system")), _cut(unit), number, number)]


def _number(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return [] if number is None else [row(name, None, None, number, number)]


def _uri(row: _Row, name: str, value: Any, _base: str) -> list[Row]:
    return [row(name, None, value[:LONGEST])] if isinstance(value, str) else []


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
