"""Reads a search: names, modifiers, prefixes and values as the specification spells them.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from isodose.fhir.errors import FhirError, bad_request
from isodose.fhir.search_parameters import Parameter, parameters

Pairs = list[tuple[str, str]]
DEFAULT_COUNT = 100
MAX_COUNT = 1_000

_CONTROL = frozenset({"_format", "_pretty", "_elements", "_total", "_summary", "_contained"})
_SPECIAL = {
    "_id": Parameter("_id", "token", ()),
    "_lastUpdated": Parameter("_lastUpdated", "date", ()),
}
_MODIFIERS = {
    "token": {"missing", "not"},
    "string": {"missing", "exact", "contains"},
    "date": {"missing"},
    "quantity": {"missing"},
    "uri": {"missing", "below"},
    "reference": {"missing", "identifier"},
    "patient": {"missing"},
}
_SPLIT = re.compile(r"(?<!\\),")
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[0-9.-])")
_CHAIN = re.compile(r"([a-z-]+)(?::([A-Za-z]+))?\.([A-Za-z_:-]+)")


@dataclass(frozen=True)
class Criterion:
    """One parameter of a search: any of the values has to fit. `chain` looks through the reference."""

    parameter: Parameter
    values: tuple[str, ...]
    modifier: str | None = None
    chain: tuple[str, Criterion] | None = None


@dataclass(frozen=True)
class Query:
    """What is searched, how it is sorted and paged, and the parameters that were understood."""

    type: str
    criteria: tuple[Criterion, ...]
    sort: tuple[tuple[Parameter, bool], ...] = ()
    count: int = DEFAULT_COUNT
    offset: int = 0
    only_count: bool = False
    include: tuple[str, ...] = ()
    revinclude: tuple[str, ...] = ()
    used: Pairs = field(default_factory=list)


def parse(resource_type: str, pairs: Iterable[tuple[str, str]], strict: bool = False) -> Query:
    """The query. What is not understood is left out, or refused with 400 when `strict`; bad values always."""
    known = parameters(resource_type) | _SPECIAL
    criteria: list[Criterion] = []
    sort: list[tuple[Parameter, bool]] = []
    used: Pairs = []
    numbers = {"_count": DEFAULT_COUNT, "_offset": 0}
    include: dict[str, list[str]] = {"_include": [], "_revinclude": []}
    only_count = False
    for name, value in pairs:
        if name in numbers:
            numbers[name] = _whole(name, value)
        elif name == "_sort":
            sort += [_sorted(part, known, resource_type) for part in value.split(",")]
        elif name in include:
            include[name].append(value)
        elif name in _CONTROL:
            only_count = only_count or (name == "_summary" and value == "count")
        else:
            criterion = _criterion(resource_type, name, value, known)
            if criterion is None:
                if strict:
                    raise unknown(resource_type, name)
                continue
            criteria.append(criterion)
        used.append((name, value))
    only_count = only_count or numbers["_count"] == 0
    return Query(
        resource_type,
        tuple(criteria),
        tuple(sort),
        min(numbers["_count"], MAX_COUNT),
        numbers["_offset"],
        only_count,
        tuple(include["_include"]),
        tuple(include["_revinclude"]),
        used,
    )


def unknown(resource_type: str, name: str) -> FhirError:
    shown = (
        name if name.replace("-", "").replace("_", "").replace(":", "").replace(".", "").isalnum() else "?"
    )
    return bad_request(
        f"The search parameter {shown} is not known for {resource_type}; see the CapabilityStatement.",
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


def _criterion(resource_type: str, name: str, value: str, known: dict[str, Parameter]) -> Criterion | None:
    chained = _CHAIN.fullmatch(name)
    if chained is not None:
        return _chained(known, chained[1], chained[2], chained[3], value)
    plain, _, modifier = name.partition(":")
    parameter = known.get(plain)
    if parameter is None:
        return None
    targets = parameter.kind in ("reference", "patient") and modifier[:1].isupper()
    if modifier and not targets and modifier not in _MODIFIERS[parameter.kind]:
        raise bad_request(
            f"The modifier :{modifier[:20]} is not supported for {plain} of {resource_type}.",
            code="not-supported",
        )
    values = tuple(part for part in _SPLIT.split(value) if part)
    if not values:
        raise bad_request(f"The search parameter {plain} has no value.")
    return Criterion(parameter, values, modifier or None)


def _chained(
    known: dict[str, Parameter], name: str, target: str | None, rest: str, value: str
) -> Criterion | None:
    parameter = known.get(name)
    if parameter is None or parameter.kind not in ("reference", "patient"):
        return None
    kind = "Patient" if parameter.kind == "patient" else target
    if kind is None:
        raise bad_request(f"Name the type of {name}, as in {name}:Procedure.{rest}.", code="not-supported")
    inner = _criterion(kind, rest, value, parameters(kind) | _SPECIAL)
    return None if inner is None else Criterion(parameter, (), chain=(kind, inner))


def _sorted(part: str, known: dict[str, Parameter], resource_type: str) -> tuple[Parameter, bool]:
    name = part.removeprefix("-")
    parameter = known.get(name)
    if parameter is None or parameter.kind in ("patient", "reference"):
        raise bad_request(f"{resource_type} cannot be sorted by this parameter.", code="not-supported")
    return parameter, part.startswith("-")


def _whole(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad_request(f"{name} must be a whole number.", code="value")
    return int(value)
