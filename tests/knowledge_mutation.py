"""Knowledge changed on purpose, one value at a time: some scenario must then come out otherwise.

Numbers are made a little larger and a little smaller wherever they stand, lists lose each member in turn,
and a value that is one word becomes another. A mutant that no scenario notices is a threshold nobody tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from isodose.clinical.knowledge import Knowledge

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mutant:
    """`knowledge` with one value changed: `place` says which (`F1-status.kps_below: 70 -> 71`)."""

    code: str
    place: str
    knowledge: Knowledge


def mutants(knowledge: Knowledge) -> Iterator[Mutant]:
    """Every single change of `knowledge`; what is off stays off, so give knowledge with all of it enabled."""
    enabled = [code for code, entry in knowledge.entries.items() if knowledge.is_enabled(code)]
    for code, entry in knowledge.entries.items():
        for name, dated in entry.values.items():
            for at, one in enumerate(dated):
                for changed, told in _changes(one.value):
                    values = (*dated[:at], replace(one, value=changed), *dated[at + 1 :])
                    other = replace(entry, values={**entry.values, name: values})
                    entries = {**knowledge.entries, code: other}
                    yield Mutant(code, f"{code}.{name}: {told}", Knowledge(entries, enabled))


def survivors(
    knowledge: Knowledge,
    rows: Sequence[Row],
    comes_out: Callable[[Row, Knowledge], bool],
    about: Callable[[Row], set[str]],
) -> list[str]:
    """The places of the mutants under which every row still comes out as told.

    `about(row)` names the entries a row states something of: those rows are tried first.
    """
    told_of = [(row, about(row)) for row in rows]
    found = []
    for mutant in mutants(knowledge):
        in_order = sorted(told_of, key=lambda pair, code=mutant.code: code not in pair[1])  # type: ignore[misc]
        if all(comes_out(row, mutant.knowledge) for row, _ in in_order):
            found.append(mutant.place)
    return found


def _changes(value: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    match value:
        case bool():
            yield not value, f"{path}{value} -> {not value}"
        case int():
            step = max(1, round(abs(value) * 0.05))
            for other in (value + step, value - step):
                yield other, f"{path}{value} -> {other}"
        case float():
            for other in (value * 1.1, value * 0.9) if value else (0.1, -0.1):
                yield other, f"{path}{value} -> {other:.4g}"
        case str():
            if not path:
                yield f"{value} (another)", f"{value} -> another"
        case list() | tuple():
            for at, item in enumerate(value):
                rest = [*value[:at], *value[at + 1 :]]
                yield rest, f"{path}without {item if isinstance(item, str | int | float) else at}"
                if not isinstance(item, str):
                    for other, told in _changes(item, f"{path}[{at}] "):
                        yield [*value[:at], other, *value[at + 1 :]], told
        case dict():
            for key, item in value.items():
                for other, told in _changes(item, f"{path}{key} "):
                    yield {**value, key: other}, told
