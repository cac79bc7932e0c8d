"""How often a drug is taken and over which days: FHIR Timing, by structure, by code, by its words.

https://hl7.org/fhir/R4/datatypes.html#Timing
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from isodose.clinical.terminology import codings
from isodose.mcode import units
from isodose.mcode.chart import items
from isodose.mcode.days import days_of

_DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
_TIMES_A_DAY = {
    "QD": 1.0, "DAILY": 1.0, "AM": 1.0, "PM": 1.0, "BED": 1.0, "HS": 1.0, "QAM": 1.0, "QPM": 1.0, "QHS": 1.0,
    "BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5, "Q1H": 24.0, "Q2H": 12.0, "Q3H": 8.0, "Q4H": 6.0,
    "Q6H": 4.0, "Q8H": 3.0, "Q12H": 2.0, "Q24H": 1.0, "Q48H": 0.5,
    "229797004": 1.0, "229799001": 2.0, "229798009": 3.0, "307439001": 4.0,
}  # fmt: skip
"""HL7 GTSAbbreviation, abbreviations hospitals write, SNOMED CT's once to four times daily (recalled)."""
_CYCLES = {"WK": 7, "MO": 30}
LONGEST_AVERAGED_DAYS = 2
"""A dose every other day is told as its average per day; one taken more seldom is a dose on its own day."""
_NUMBER = {"one": 1, "two": 2, "three": 3, "four": 4, "once": 1, "twice": 2, "thrice": 3}
_TIMES = re.compile(
    r"\b(?P<count>once|twice|thrice|one|two|three|four|\d)\s*(?:\(\d\)\s*)?(?:times?\s*)?(?:a|per|each|every)?\s*"
    r"(?:day|daily)\b"
)
_HOURS = re.compile(r"\b(?:every|q)\s*(?P<hours>\d{1,2})\s*(?:\(\w+\)\s*)?(?:h|hr|hrs|hour|hours)\b")
_CYCLE = re.compile(r"\b(?:every|q)\s*(?P<count>\d{1,2}|one|two|three|four)\s*(?P<unit>w|wk|week|d|day)s?\b")
_ABBREVIATION = re.compile(r"\b(bid|tid|qid|qd|qam|qpm|qhs|qod|b\.i\.d|t\.i\.d|q\.i\.d)\b")
_ONCE = re.compile(
    r"\b(?:daily|every (?:morning|evening|night|day)|each (?:morning|evening|day)|nightly|at bedtime"
    r"|in the (?:morning|evening)|with breakfast)\b"
)
_IN_BRACKETS = re.compile(r"\([^)]*\)")
_OTHER_DAY = re.compile(r"\b(?:every other day|alternate days|every 48 hours)\b")


@dataclass(frozen=True, slots=True)
class Pace:
    """How many doses are taken on a day, at the least and at the most. `cycle_days` are the days from dose to
    dose of a drug taken more seldom than every other day; the pace is then that of its own day.
    """

    least: float | None = None
    most: float | None = None
    cycle_days: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The days over which an instruction holds, as far as they are told, both inclusive."""

    start: dt.date | None = None
    end: dt.date | None = None
    days: int | None = None


def pace_of(timing: Any) -> Pace:
    """Doses per day by structure, else by code, else by the words of the code."""
    if not isinstance(timing, dict):
        return Pace()
    repeat = timing.get("repeat")
    if isinstance(repeat, dict):
        pace = _by_repeat(repeat)
        if pace.most is not None:
            return pace
    code = timing.get("code")
    for coding in codings(code):
        if (times := _TIMES_A_DAY.get(coding.code.upper())) is not None:
            return Pace(times, times)
        if (cycle := _CYCLES.get(coding.code.upper())) is not None:
            return Pace(1, 1, cycle)
    if isinstance(code, dict):
        for said in (code.get("text"), *(c.get("display") for c in items(code.get("coding")))):
            if isinstance(said, str) and (pace := pace_in(said)).most is not None:
                return pace
    return Pace()


def _by_repeat(repeat: dict[str, Any]) -> Pace:
    often = _per_period(repeat)
    period, unit = _number(repeat.get("period")), repeat.get("periodUnit")
    if often is None:
        return Pace()
    if period is None or period <= 0 or unit not in _DAYS:
        return Pace() if period is not None or unit is not None or not _said_when(repeat) else _whole(often)
    longest = max(period, _number(repeat.get("periodMax")) or period) * _DAYS[unit]
    shortest = period * _DAYS[unit]
    if often[1] <= 1 and shortest > LONGEST_AVERAGED_DAYS:
        return Pace(1, 1, round(shortest)) if longest == shortest else Pace()
    if shortest > LONGEST_AVERAGED_DAYS and not repeat.get("dayOfWeek"):
        return Pace()
    return Pace(often[0] / longest, often[1] / shortest)


def _per_period(repeat: dict[str, Any]) -> tuple[float, float] | None:
    """How many doses in one period, at the least and at the most."""
    weekdays = len(items(repeat.get("dayOfWeek"))) or 1
    if "frequency" not in repeat:
        told = len(items(repeat.get("timeOfDay"))) or len(items(repeat.get("when")))
        most = _number(repeat.get("frequencyMax"))
        if most is not None:
            return 0.0, most * weekdays
        return (float(told or 1) * weekdays,) * 2
    least = _number(repeat.get("frequency"))
    if least is None or least < 0:
        return None
    most = _number(repeat.get("frequencyMax")) or least
    return least * weekdays, most * weekdays


def _said_when(repeat: dict[str, Any]) -> bool:
    return any(repeat.get(name) for name in ("when", "timeOfDay", "dayOfWeek"))


def _whole(often: tuple[float, float]) -> Pace:
    return Pace(*often)


def pace_in(text: str) -> Pace:
    """Doses per day where the words tell exactly one frequency: "4 mg twice daily", "every 3 weeks"."""
    said = " ".join(_IN_BRACKETS.sub(" ", text.lower().replace(",", " ")).split())
    cycle = _CYCLE.search(said)
    if cycle is not None:
        days = _count(cycle["count"]) * (7 if cycle["unit"].startswith("w") else 1)
        return Pace(1, 1, days) if days > LONGEST_AVERAGED_DAYS else Pace(1 / days, 1 / days)
    if _OTHER_DAY.search(said):
        return Pace(0.5, 0.5)
    found = {24 / int(hours) for hours in _HOURS.findall(said) if int(hours)}
    found |= {float(_count(count)) for count in _TIMES.findall(said)}
    found |= {_TIMES_A_DAY[a.replace(".", "").upper()] for a in _ABBREVIATION.findall(said)}
    if not found and _ONCE.search(said) and " times" not in said:
        found = {1.0}
    times = found.pop() if len(found) == 1 else None
    return Pace(times, times)


def _count(written: str) -> int:
    return _NUMBER.get(written) or int(written)


def bounds_of(timing: Any) -> Bounds:
    """The days an instruction holds: its bounds, else the number of doses it counts."""
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if not isinstance(repeat, dict):
        return Bounds()
    period = repeat.get("boundsPeriod")
    if isinstance(period, dict):
        return Bounds(*days_of(period))
    length = repeat.get("boundsDuration")
    if isinstance(length, dict):
        return Bounds(days=whole_days(length))
    count, pace = _number(repeat.get("count")), pace_of(timing)
    if count and not repeat.get("countMax") and pace.most is not None and pace.least == pace.most:
        if pace.cycle_days:
            return Bounds(days=round((count - 1) * pace.cycle_days) + 1)
        return Bounds(days=max(1, -int(-count // pace.most)))
    return Bounds()


def whole_days(quantity: Any) -> int | None:
    """A FHIR Duration as days; None where it is none, bounded, or out of reason."""
    value = _number(quantity.get("value")) if isinstance(quantity, dict) else None
    if value is None or not 0 < value < 10_000 or quantity.get("comparator"):
        return None
    days = units.convert(value, str(quantity.get("code") or quantity.get("unit") or "d"), "d")
    return max(1, round(days)) if days else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
