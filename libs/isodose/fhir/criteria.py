"""Reads one search parameter: its name with modifier, chain or `_has`, and its values.

https://hl7.org/fhir/R4/search.html#modifiers
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from isodose.fhir.definitions import resource_types
from isodose.fhir.errors import FhirError, bad_request
from isodose.fhir.r4_search import standard
from isodose.fhir.search_parameters import Parameter, element_type, parameters

SPECIAL = {
    "_id": Parameter("_id", "token", ()),
    "_lastUpdated": Parameter("_lastUpdated", "date", ()),
}
MODIFIERS = {
    "token": ("missing", "text", "not", "in", "not-in", "above", "below", "of-type"),
    "string": ("missing", "exact", "contains"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "uri": ("missing", "below", "above"),
    "reference": ("missing", "identifier", "above", "below"),
    "patient": ("missing", "identifier"),
    "composite": (),
}
REFERENCES = ("reference", "patient")
DEEPEST = 4
MOST_VALUES = 500
_SPLIT = re.compile(r"(?<!\\),")
_JOINED = re.compile(r"(?<!\\)\$")
_BARS = re.compile(r"(?<!\\)\|")
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
PREFIXED = ("date", "number", "quantity")
_PREFIX = re.compile(rf"({'|'.join(PREFIXES)})(?=[0-9.-])")
_CHAIN = re.compile(r"([a-z_-]+)(?::([A-Za-z]+))?\.(.+)")
_HAS = re.compile(r"_has:([A-Za-z]+):([a-z_-]+):(.+)")


@dataclass(frozen=True)
class Criterion:
    """One parameter of a search: any of the values has to fit.

    `chain` looks through the reference at each (type, criterion) it may lead to. `pointing` is the type whose
    resources point here by `parameter` and fit `inner`. `joined` are the parts of each value of a composite.
    """

    parameter: Parameter
    values: tuple[str, ...] = ()
    modifier: str | None = None
    chain: tuple[tuple[str, Criterion], ...] = ()
    pointing: tuple[str, Criterion] | None = None
    joined: tuple[tuple[Criterion, ...], ...] = ()


def criterion(resource_type: str, name: str, value: str, depth: int = 0) -> Criterion | None:
    """The criterion, None when the parameter is not known. Raises 400 for a modifier or value that is
    none.
    """
    if depth > DEEPEST:
        raise bad_request(f"A search looks through at most {DEEPEST} references.", code="too-costly")
    reverse = _HAS.fullmatch(name)
    if reverse is not None:
        return _pointing(reverse, value, depth)
    known = parameters(resource_type) | SPECIAL
    chained = _CHAIN.fullmatch(name)
    if chained is not None:
        return _chained(resource_type, chained, value, depth)
    plain, _, modifier = name.partition(":")
    parameter = known.get(plain)
    if parameter is None:
        return None
    _check_modifier(resource_type, parameter, modifier)
    values = tuple(part for part in _SPLIT.split(value) if part)
    if not values:
        raise bad_request(f"The search parameter {plain} has no value.")
    if len(values) > MOST_VALUES:
        raise bad_request(f"A parameter takes at most {MOST_VALUES} values.", code="too-costly")
    if parameter.kind == "composite":
        return Criterion(parameter, values, joined=tuple(_parts(resource_type, parameter, v) for v in values))
    return Criterion(parameter, values, modifier or None)


def unknown(resource_type: str, name: str) -> FhirError:
    plain = name.translate(str.maketrans("", "", "-_:."))
    return bad_request(
        f"The search parameter {name if plain.isalnum() else '?'} is not known for {resource_type}; "
        "see the CapabilityStatement.",
        code="not-supported",
    )


def split_prefix(value: str) -> tuple[str, str]:
    """The comparison prefix of a date or number (`eq` when there is none) and the rest."""
    found = _PREFIX.match(value)
    return (found[1], value[2:]) if found else ("eq", value)


def unescape(value: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", value)


def token_parts(value: str) -> tuple[str | None, str | None]:
    """(system, code) of a token: None is any, an empty system is none."""
    system, bar, code = re.match(r"((?:[^\\|]|\\.)*)(\|?)(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    if not bar:
        return None, unescape(system)
    return unescape(system), unescape(code) or None


def identifier_parts(value: str) -> tuple[str, str, str]:
    """(system, code, value) of `identifier:of-type`. Raises 400."""
    parts = [unescape(part) for part in _BARS.split(value)]
    if len(parts) != 3 or not all(parts):
        raise bad_request("A value of :of-type is system|code|value.", code="value")
    return parts[0], parts[1], parts[2]


def _check_modifier(resource_type: str, parameter: Parameter, modifier: str) -> None:
    if not modifier or modifier in _modifiers(resource_type, parameter):
        return
    if parameter.kind in REFERENCES and modifier in resource_types():
        return
    shown = modifier[:20] if modifier.replace("-", "").isalnum() else "?"
    raise bad_request(
        f"The modifier :{shown} is not supported for {parameter.name} of {resource_type}.",
        code="not-supported",
    )


def _modifiers(resource_type: str, parameter: Parameter) -> tuple[str, ...]:
    if parameter.name == "_id":
        return ("missing", "not")
    known = MODIFIERS[parameter.kind]
    identifies = any(element_type(resource_type, path) == "Identifier" for path in parameter.paths)
    return known if identifies else tuple(one for one in known if one != "of-type")


def _parts(resource_type: str, parameter: Parameter, value: str) -> tuple[Criterion, ...]:
    texts = _JOINED.split(value)
    names = [path[0] for path in parameter.paths]
    if len(texts) != len(names):
        raise bad_request(f"A value of {parameter.name} is {'$'.join(names)}.", code="value")
    made = [criterion(resource_type, name, text) for name, text in zip(names, texts, strict=True)]
    return tuple(one for one in made if one is not None)


def _pointing(step: re.Match[str], value: str, depth: int) -> Criterion | None:
    source, name, rest = step.groups()
    parameter = parameters(source).get(name) if source in resource_types() else None
    if parameter is None or parameter.kind not in REFERENCES:
        return None
    inner = criterion(source, rest, value, depth + 1)
    return None if inner is None else Criterion(parameter, pointing=(source, inner))


def _chained(source: str, step: re.Match[str], value: str, depth: int) -> Criterion | None:
    parameter = parameters(source).get(step[1])
    if parameter is None or parameter.kind not in REFERENCES:
        return None
    found = []
    for kind in _targets(source, parameter, step[2]):
        inner = criterion(kind, step[3], value, depth + 1)
        if inner is not None:
            found.append((kind, inner))
    return Criterion(parameter, chain=tuple(found)) if found else None


def _targets(source: str, parameter: Parameter, named: str | None) -> tuple[str, ...]:
    if named is not None:
        return (named,) if named in resource_types() else ()
    if parameter.kind == "patient":
        return ("Patient",)
    defined = standard(source).get(parameter.name)
    return defined.targets if defined is not None else ()
