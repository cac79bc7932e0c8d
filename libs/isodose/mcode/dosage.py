"""How much of a drug per day, and over which days: the steps of an order's FHIR Dosage.

What cannot be computed stays open, and the order's own text goes on to whoever reads it; a range or a dose
as needed tells at least how much is taken. https://hl7.org/fhir/R4/dosage.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import orjson
from msgspec.structs import replace

from isodose.mcode import units
from isodose.mcode.chart import Resource, items
from isodose.mcode.days import day
from isodose.mcode.dosage_amounts import Amount, per_day, single_dose, times
from isodose.mcode.dosage_words import dose_told_in_words
from isodose.mcode.strengths import Strength, quantity
from isodose.mcode.timings import Bounds, bounds_of, pace_of


class Step(msgspec.Struct, frozen=True):
    """One stretch of an order. `daily` is per day, or on the day of a dose where `cycle_days` says that doses
    lie further apart. `certain` is false where it was read from words.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    daily: Amount = Amount()
    cycle_days: int | None = None
    as_needed: bool = False
    certain: bool = True
    given_on: tuple[dt.date, ...] = ()


class _Part(msgspec.Struct, frozen=True):
    """One Dosage as read, before its days are known."""

    sequence: int | None
    bounds: Bounds
    step: Step


def steps_of(
    dosages: Sequence[bytes], strength: Strength, start: dt.date | None, end: dt.date | None
) -> list[Step]:
    """The steps of an order between its own first and last day, in order; `dosages` are Dosage as JSON.

    Instructions in sequence follow one another; those of one sequence, or of none, are taken together.
    """
    parts = [_part(written, strength) for written in dosages]
    if not parts:
        return [Step(start, end)]
    if len({part.sequence for part in parts}) == len(parts) > 1 or any(p.bounds.start for p in parts):
        return _one_after_another(parts, start, end)
    together = _together([part.step for part in parts])
    days = {part.bounds.days for part in parts}
    length = days.pop() if len(days) == 1 else None
    last = start + dt.timedelta(days=length - 1) if start and length else None
    return [replace(together, start=start, end=_earlier(last, end))]


def administered(
    dosages: Sequence[bytes], strength: Strength, start: dt.date | None, end: dt.date | None
) -> Step:
    """One administration: what was given is the dose of its day."""
    amount = _given(dosages[0], strength) if dosages else Amount()
    return Step(start, end, daily=amount)


@lru_cache(maxsize=4096)
def _given(written: bytes, strength: Strength) -> Amount:
    return single_dose(orjson.loads(written), strength)


@lru_cache(maxsize=4096)
def first_day_of(written: bytes) -> dt.date | None:
    """The first day that an instruction names."""
    timing = orjson.loads(written).get("timing")
    if not isinstance(timing, dict):
        return None
    repeat = timing.get("repeat")
    bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
    if isinstance(bounds, dict):
        return day(bounds.get("start"))
    return min(filter(None, (day(event) for event in items(timing.get("event")))), default=None)


def _one_after_another(parts: Sequence[_Part], start: dt.date | None, end: dt.date | None) -> list[Step]:
    ordered = sorted(parts, key=lambda p: (p.sequence or 0, p.bounds.start or dt.date.min))
    found: list[Step] = []
    begins = start
    for place, part in enumerate(ordered):
        first = part.bounds.start or begins
        last = part.bounds.end
        if last is None and first and part.bounds.days:
            last = first + dt.timedelta(days=part.bounds.days - 1)
        following = ordered[place + 1].bounds.start if place + 1 < len(ordered) else None
        if last is None and following is not None and part.sequence is not None:
            last = following - dt.timedelta(days=1)
        if last is None and place + 1 < len(ordered) and part.bounds.start is None:
            return [Step(start, end)]
        found.append(replace(part.step, start=first, end=_earlier(last, end)))
        begins = last + dt.timedelta(days=1) if last else first
    return _overlaps_together(found)


def _overlaps_together(steps: list[Step]) -> list[Step]:
    """Steps over the very same days are one: a morning and an evening dose."""
    if len(steps) == 1:
        return steps
    by_days: dict[tuple[dt.date | None, dt.date | None], list[Step]] = {}
    for step in steps:
        by_days.setdefault((step.start, step.end), []).append(step)
    return [replace(_together(same), start=days[0], end=days[1]) for days, same in by_days.items()]


def _together(steps: list[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    paces = {step.cycle_days for step in steps}
    least = sum(step.daily.least or 0.0 for step in steps)
    most: float | None = 0.0
    for step in steps:
        most = None if most is None or step.daily.most is None else most + step.daily.most
    known = len(paces) == 1
    return Step(
        daily=Amount(least, most) if known else Amount(),
        cycle_days=paces.pop() if known else None,
        as_needed=all(step.as_needed for step in steps),
        certain=all(step.certain for step in steps),
        given_on=tuple(sorted({one for step in steps for one in step.given_on})),
    )


@lru_cache(maxsize=4096)
def _part(written: bytes, strength: Strength) -> _Part:
    """The same instruction stands in many orders: it is read once."""
    one: Resource = orjson.loads(written)
    timing = one.get("timing")
    pace, single = pace_of(timing), single_dose(one, strength)
    bounds = bounds_of(timing)
    certain = True
    days: tuple[dt.date, ...] = ()
    daily = per_day(single, pace)
    if isinstance(timing, dict) and (events := _events(timing)):
        days, daily = events
        daily = times(single, daily.most) if daily.most else Amount()
    if daily.most is None:
        said = dose_told_in_words(one, strength, single, pace)
        if said is not None:
            daily, pace, certain = said[0], said[1], False
            bounds = bounds if bounds != Bounds() else said[2]
    as_needed = one.get("asNeededBoolean") is True or bool(one.get("asNeededCodeableConcept"))
    cycle = pace.cycle_days or _cycle_of_limit(one)
    step = Step(
        daily=Amount(0.0, None) if as_needed else daily,
        cycle_days=cycle,
        as_needed=as_needed,
        certain=certain,
        given_on=days,
    )
    sequence = one.get("sequence")
    return _Part(sequence if isinstance(sequence, int) else None, bounds, step)


def _events(timing: Resource) -> tuple[tuple[dt.date, ...], Amount] | None:
    """The days of a Timing that lists its moments, and how many there are on each, where that is the same."""
    days = [found for event in items(timing.get("event")) if (found := day(event))]
    if not days or timing.get("repeat"):
        return None
    counts = {float(days.count(one)) for one in days}
    often = counts.pop() if len(counts) == 1 else None
    return tuple(sorted(set(days))), Amount(often, often)


def _cycle_of_limit(one: Resource) -> int | None:
    """`maxDosePerPeriod` of one dose in so many weeks, as oncology exports write a cycle."""
    limit = one.get("maxDosePerPeriod")
    if not isinstance(limit, dict):
        return None
    top, bottom = quantity(limit.get("numerator")), quantity(limit.get("denominator"))
    if top is None or bottom is None or top != (1.0, ""):
        return None
    days = units.convert(*bottom, "d")
    return round(days) if days and days > 2 else None


def _earlier(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
