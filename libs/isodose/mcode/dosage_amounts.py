"""One dose of an instruction in milligrams, at the least and at the most, and what it comes to per day."""

from __future__ import annotations

import msgspec

from isodose.mcode import units
from isodose.mcode.chart import Resource, items
from isodose.mcode.strengths import Strength, quantity
from isodose.mcode.timings import Pace


class Amount(msgspec.Struct, frozen=True):
    """Milligrams, at the least and at the most."""

    least: float | None = None
    most: float | None = None

    @property
    def exact(self) -> float | None:
        return self.most if self.most is not None and self.least == self.most else None


def single_dose(one: Resource, strength: Strength) -> Amount:
    """One dose in milligrams. Of several statements (ordered, calculated) those in milligrams must agree."""
    rates = rates_of(one)
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


def rates_of(one: Resource) -> list[Resource]:
    """The doses and rates of an instruction; an administration holds them itself."""
    return [rate for rate in items(one.get("doseAndRate")) if isinstance(rate, dict)] or [one]


def per_day(single: Amount, pace: Pace) -> Amount:
    if single.most is None or pace.most is None or pace.least is None:
        return Amount()
    return Amount(
        round((single.least or 0.0) * pace.least, 4),
        round(single.most * pace.most, 4),
    )


def times(single: Amount, count: float) -> Amount:
    if single.most is None:
        return Amount()
    return Amount(round((single.least or 0.0) * count, 4), round(single.most * count, 4))
