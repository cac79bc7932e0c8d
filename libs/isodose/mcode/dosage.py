"""How much of a drug per day, and over which days: the steps of an order's FHIR Dosage.

What cannot be computed stays open, and the order's own text goes on to whoever reads it; a range or a dose
as needed tells at least how much is taken. https://hl7.org/fhir/R4/dosage.html
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from isodose.clinical.terminology import codings, words_of
from isodose.mcode import units
from isodose.mcode.chart import Resource, day, items
from isodose.mcode.strengths import Strength, quantity
from isodose.mcode.timings import Bounds, Pace, bounds_of, pace_in, pace_of

_NOT_ONE_DOSE = re.compile(
    r"\b(?:then|taper\w*|wean\w*|decreas\w*|reduc\w*|increas\w*|as directed|or|until|prior to|before|if"
    r"|unless|as needed|prn)\b"
)
_DOSE_IN_WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*(mg|mcg|g|tab(?:let)?s?|cap(?:sule)?s?|ml)\b(?!\s*/)")
_TOTAL_IN_WORDS = re.compile(r"\((\d+(?:\.\d+)?)\s*(mg|mcg|g)(?:\s+total)?\)")
_RANGE_IN_WORDS = re.compile(r"\d\s*(?:-|to)\s*\d")
_MEASURED_PER = re.compile(r"\d\s*(?:mg|mcg|g)\s*/\s*(?:kg|m2|m\^2|m²|m\b)")
_FOR_DAYS = re.compile(r"\bfor (\d{1,3}) (day|week)s?\b")
_UNIT_WORDS = {"mg": "mg", "mcg": "ug", "g": "g", "ml": "mL"}


@dataclass(frozen=True, slots=True)
class Amount:
    """Milligrams, at the least and at the most."""

    least: float | None = None
    most: float | None = None

    @property
    def exact(self) -> float | None:
        return self.most if self.most is not None and self.least == self.most else None


@dataclass(frozen=True, slots=True)
class Step:
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


@dataclass(frozen=True, slots=True)
class _Part:
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
    return _single(orjson.loads(written), strength)


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


@lru_cache(maxsize=4096)
def words_of_dosage(written: bytes) -> str:
    """The instruction as its order words it; from its figures where it has no words."""
    one: Resource = orjson.loads(written)
    if isinstance(text := one.get("text") or one.get("patientInstruction"), str):
        return text
    said = [_figures(rate) for rate in _rates(one)]
    timing = one.get("timing")
    code = timing.get("code") if isinstance(timing, dict) else None
    often = words_of(code).strip() or next((c.code for c in codings(code)), "") or _repeat_words(timing)
    needed = "as needed" if one.get("asNeededBoolean") is True or one.get("asNeededCodeableConcept") else ""
    return " ".join(filter(None, (*dict.fromkeys(said), often, needed)))


def _repeat_words(timing: Any) -> str:
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if not isinstance(repeat, dict) or not repeat.get("periodUnit"):
        return ""
    often, period = (
        " to ".join(str(repeat[name]) for name in names if repeat.get(name) is not None)
        for names in (("frequency", "frequencyMax"), ("period", "periodMax"))
    )
    return f"{often or 1} times in {period or 1} {repeat['periodUnit']}"


def _rates(one: Resource) -> list[Resource]:
    """The doses and rates of an instruction; an administration holds them itself."""
    return [rate for rate in items(one.get("doseAndRate")) if isinstance(rate, dict)] or [one]


def _figures(rate: Resource) -> str:
    between = rate.get("doseRange")
    if isinstance(between, dict):
        ends = [_figure(between.get("low")), _figure(between.get("high"))]
        return " to ".join(filter(None, ends))
    ratio = rate.get("rateRatio")
    if isinstance(ratio, dict):
        return f"{_figure(ratio.get('numerator'))} per {_figure(ratio.get('denominator'))}"
    return _figure(rate.get("doseQuantity") or rate.get("dose") or rate.get("rateQuantity"))


def _figure(written: Any) -> str:
    found = quantity(written)
    if found is None or not isinstance(written, dict):
        return ""
    return f"{found[0]:g} {written.get('unit') or found[1]}".strip()


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
    pace, single = pace_of(timing), _single(one, strength)
    bounds = bounds_of(timing)
    certain = True
    days: tuple[dt.date, ...] = ()
    daily = _per_day(single, pace)
    if isinstance(timing, dict) and (events := _events(timing)):
        days, daily = events
        daily = _times(single, daily.most) if daily.most else Amount()
    if daily.most is None:
        said = _in_words(one, strength, single, pace)
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


def _single(one: Resource, strength: Strength) -> Amount:
    """One dose in milligrams. Of several statements (ordered, calculated) those in milligrams must agree."""
    rates = _rates(one)
    found = {amount for rate in rates if (amount := _of_rate(rate, one, strength)).most is not None}
    return found.pop() if len(found) == 1 else Amount()


def _of_rate(rate: Resource, one: Resource, strength: Strength) -> Amount:
    dose = quantity(rate.get("doseQuantity") or rate.get("dose"))
    if dose is not None:
        mg = strength.milligrams(*dose)
        return Amount(mg, mg)
    between = rate.get("doseRange")
    if isinstance(between, dict):
        low, high = quantity(between.get("low")), quantity(between.get("high"))
        if high is None:
            return Amount()
        return Amount(strength.milligrams(*low) if low else 0.0, strength.milligrams(*high))
    per_hour = _per_hour(rate, strength)
    hours = _hours(one)
    if per_hour is not None and hours is not None:
        return Amount(per_hour * hours, per_hour * hours)
    return Amount()


def _per_hour(rate: Resource, strength: Strength) -> float | None:
    """A rate of infusion in milligrams per hour."""
    written = quantity(rate.get("rateQuantity"))
    if written is not None:
        above, slash, below = written[1].partition("/")
        days = units.convert(1.0, below, "d") if slash else None
        mass = strength.milligrams(written[0], above)
        return mass / (days * 24) if mass is not None and days else None
    ratio = rate.get("rateRatio")
    if isinstance(ratio, dict):
        top, bottom = quantity(ratio.get("numerator")), quantity(ratio.get("denominator"))
        mass = strength.milligrams(*top) if top else None
        days = units.convert(*bottom, "d") if bottom else None
        return mass / (days * 24) if mass is not None and days else None
    return None


def _hours(one: Resource) -> float | None:
    """How long one infusion runs."""
    timing = one.get("timing")
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if not isinstance(repeat, dict):
        return None
    length = quantity({"value": repeat.get("duration"), "code": repeat.get("durationUnit")})
    days = units.convert(*length, "d") if length and not repeat.get("durationMax") else None
    return days * 24 if days else None


def _per_day(single: Amount, pace: Pace) -> Amount:
    if single.most is None or pace.most is None or pace.least is None:
        return Amount()
    return Amount(
        round((single.least or 0.0) * pace.least, 4),
        round(single.most * pace.most, 4),
    )


def _times(single: Amount, count: float) -> Amount:
    if single.most is None:
        return Amount()
    return Amount(round((single.least or 0.0) * count, 4), round(single.most * count, 4))


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


def _in_words(
    one: Resource, strength: Strength, single: Amount, pace: Pace
) -> tuple[Amount, Pace, Bounds] | None:
    """Dose and frequency from the text of the instruction, where it tells exactly one of each."""
    text = str(one.get("text") or one.get("patientInstruction") or "").lower()
    if not text or _NOT_ONE_DOSE.search(text) or _RANGE_IN_WORDS.search(text) or _MEASURED_PER.search(text):
        return None
    frequency = pace if pace.most is not None else pace_in(text)
    amount = single if single.most is not None else _amount_in(text, strength)
    daily = _per_day(amount, frequency)
    if daily.most is None:
        return None
    lasting = _FOR_DAYS.search(text)
    length = int(lasting[1]) * (7 if lasting[2] == "week" else 1) if lasting else None
    return daily, frequency, Bounds(days=length)


def _amount_in(text: str, strength: Strength) -> Amount:
    total = _TOTAL_IN_WORDS.findall(text)
    found = {(float(value), unit) for value, unit in total or _DOSE_IN_WORDS.findall(text)}
    if len(found) != 1:
        return Amount()
    value, unit = found.pop()
    mg = strength.milligrams(value, _UNIT_WORDS.get(unit, "tablet"))
    return Amount(mg, mg)


def _earlier(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    return min(filter(None, (one, other)), default=None)
