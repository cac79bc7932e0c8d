"""The fact vocabulary: the names, types, units and scopes in which every decision is written."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from isodose.clinical.record import Fact, Scope
from isodose.clinical.written import parsed


class FactDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the vocabulary. `unit` is UCUM for quantities and empty otherwise;
    `shown_unit` is how the unit is written for people. A number below `least` or above `most` is
    impossible, not merely unusual. `good_for_days` is how long a value stays current.
    `origin` platform marks a fact that only this project has.
    """

    type: Literal["boolean", "integer", "number", "enum", "date"]
    scope: Scope
    definition: str
    origin: Literal["catalogue", "supplement", "platform"]
    unit: str = ""
    shown_unit: str = ""
    values: tuple[str, ...] = ()
    least: float = 0
    most: float = math.inf
    good_for_days: int | None = None


@cache
def vocabulary() -> dict[str, FactDefinition]:
    """Every fact by name, in the order of the specification."""
    text = files("isodose.clinical").joinpath("facts.yaml").read_text(encoding="utf-8")
    return msgspec.convert(parsed(text), dict[str, FactDefinition])


class UnknownFactName(KeyError):  # noqa: N818
    """A rule or an observation names a fact that the vocabulary does not have."""


def definition(name: str) -> FactDefinition:
    """The definition of `name`. Raises `UnknownFactName`."""
    try:
        return vocabulary()[name]
    except KeyError:
        raise UnknownFactName(name) from None


def words(name: str) -> str:
    """What the fact is, in the vocabulary's words; what is to be entered where there is none is left out."""
    known = vocabulary().get(name)
    return known.definition.partition("; ")[0] if known else name


def current(given: Iterable[Fact], name: str, on: dt.date) -> Fact | None:
    """The value of `name` that counts on a day: stated before derived, then the newest not after `on`."""
    return counting([fact for fact in given if fact.name == name], on)


def counting(values: Iterable[Fact], on: dt.date) -> Fact | None:
    """As `current`, of the values of one fact."""
    eligible = [fact for fact in values if fact.on is None or fact.on <= on]
    if len(eligible) < 2:
        return eligible[0] if eligible else None
    return max(eligible, key=_precedence)


def _precedence(fact: Fact) -> tuple[bool, dt.date, str, str]:
    return (fact.stated, fact.on or dt.date.min, fact.source, repr(fact.value))
