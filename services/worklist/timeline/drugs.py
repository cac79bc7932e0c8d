"""Each drug's exposure with the time it goes on acting, and the steroid dose as a step curve.

How long a drug acts and what a day's steroid dose is are the figures that the decisions use
(`isodose.clinical.derive`), so that the picture and the alerts cannot differ.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby

from isodose.clinical.derive.acting import figures
from isodose.clinical.derive.drugs import days_of_action, is_ici
from isodose.clinical.derive.steroids import steroid_facts, systemic_steroids
from isodose.clinical.record import Exposure, Fact, PatientRecord
from isodose.clinical.timeline import DAY, exposure_period
from worklist.timeline.axis import Axis
from worklist.timeline.marks import UNDATED, Event, Lane, Mark

_PREDNISONE = "prednisone_equivalent_mg_per_day"
_CURVE, _TOP = 52, 14


def drug_lanes(record: PatientRecord, axis: Axis, on: dt.date) -> list[Lane]:
    """A lane per drug, steroids apart; the drug begun first on top."""
    steroids = {e.ref for e in systemic_steroids(record)}
    known = [e for e in record.exposures if e.ref not in steroids and not e.draft]
    known.sort(key=lambda e: e.concept)
    lanes = [_lane(list(of), axis, on) for _, of in groupby(known, key=lambda e: e.concept)]
    return [lane for _, lane in sorted(lanes, key=lambda pair: (pair[0], pair[1].label))]


def _lane(exposures: list[Exposure], axis: Axis, on: dt.date) -> tuple[dt.date, Lane]:
    lane = Lane(label=_name(exposures[0]), height=26)
    spans, begun = [], dt.date.max
    for exposure in exposures:
        period = exposure_period(exposure)
        first, last = period.first, period.last or (on if period.ongoing else period.first)
        event = _event(exposure, period.ongoing)
        lane.events.append(event)
        if first is None or last is None:
            continue
        begun = min(begun, first)
        spans.append((first, max(first, last), event, exposure))
    tail = _tail(spans, axis, on)
    lane.marks += [tail] if tail else []
    for first, last, event, exposure in spans:
        is_dose = exposure.given_on == (first,) == (last,)
        if not axis.meets(first, last) or is_dose:
            continue
        x = axis.x(first)
        look = "drug planned" if exposure.status == "planned" else "drug"
        lane.marks.append(Mark("bar", look, x, 9, max(axis.x(last) - x, 3), 9, says=event.says))
    for _, _, _, exposure in spans:
        for day in filter(axis.holds, exposure.given_on):
            says = f"{lane.label} given, {day}. Source: {exposure.ref}"
            lane.marks.append(Mark("rule", "given", axis.x(day), 6, height=15, says=says))
    return begun, lane


def _tail(spans: list[tuple[dt.date, dt.date, Event, Exposure]], axis: Axis, on: dt.date) -> Mark | None:
    """How long the drug goes on acting after the last known dose or the end, or today while it is given."""
    given = [(last, exposure) for _, last, _, exposure in spans if exposure.status != "planned"]
    if not given:
        return None
    last, exposure = max(given, key=lambda pair: pair[0])
    days = days_of_action(exposure)
    until = last + dt.timedelta(days=round(days))
    if days <= 0 or not axis.meets(last, until):
        return None
    x, known = axis.x(last), figures()
    half_life = known.half_life_days.get(exposure.concept)
    why = f"counts as acting for {days:g} days after a dose"
    if is_ici(exposure) and half_life:
        why = f"{known.half_lives_of_action:g} half-lives of {half_life:g} days"
        if exposure.concept in known.recalled_half_lives:
            why += " (source awaits clinical sign-off)"
    says = f"{_name(exposure)} still acts until {until} if not given after {min(last, on)}: {why}"
    return Mark("bar", "tail", x, 11, axis.x(until) - x, 5, says=says)


def _event(exposure: Exposure, ongoing: bool) -> Event:
    period = exposure_period(exposure)
    dose = f" {exposure.daily_dose_mg:g} mg" if exposure.daily_dose_mg else ""
    cycle = f" every {exposure.cycle_days} days" if exposure.cycle_days else (" a day" if dose else "")
    state = "" if exposure.status in ("active", "completed") else f" ({exposure.status})"
    last = "goes on" if ongoing else str(period.last or "")
    words = f"{_name(exposure)}{dose}{cycle}{state}"
    return Event("Drug", words, str(period.first or UNDATED), last, (exposure.ref,))


def _name(exposure: Exposure) -> str:
    return exposure.concept.replace("_", " ").capitalize()


def steroid_lane(record: PatientRecord, axis: Axis, on: dt.date) -> Lane | None:
    """The daily dose in prednisone equivalent as steps; a day whose dose cannot be told is hatched."""
    orders = [e for e in systemic_steroids(record) if not e.draft]
    stated = [f for f in record.facts if f.name in (_PREDNISONE, "steroid_dexamethasone_mg_per_day") and f.on]
    if not orders and not stated:
        return None
    lane = Lane(label="Steroid", height=_CURVE + _TOP + 6, note="mg prednisone equivalent a day")
    lane.events += [_event(e, exposure_period(e).ongoing) for e in orders]
    steps = _steps(record, orders, stated, on)
    most = max((dose for _, _, dose, _ in steps if dose), default=0.0)
    for first, last, dose, fact in steps:
        if dose == 0 or not axis.meets(first, last):
            continue
        x, width = axis.x(first), max(axis.x(last) - axis.x(first), 2)
        if dose is None:
            says = f"Steroid, dose not known, {first} to {last}"
            lane.marks.append(Mark("bar", "unknown-dose", x, _TOP, width, _CURVE, says=says))
            continue
        height = max(round(dose / most * _CURVE, 1), 2)
        top = _TOP + _CURVE - height
        source = fact.source if fact else ""
        event = Event(
            "Steroid",
            f"{dose:.4g} mg prednisone equivalent a day",
            str(first),
            str(last),
            (source,) if source else (),
        )
        lane.events.append(event)
        lane.marks.append(Mark("bar", "steroid", x, top, width, height, says=event.says))
        lane.marks.append(Mark("text", "value", x, top - 3, text=f"{dose:.3g} mg", anchor="end"))
    return lane


def _steps(
    record: PatientRecord, orders: Iterable[Exposure], stated: Iterable[Fact], on: dt.date
) -> list[tuple[dt.date, dt.date, float | None, Fact | None]]:
    """First and last day of each unbroken dose up to today; the dose is None where steroids run untold."""
    days = {fact.on for fact in stated if fact.on}
    for order in orders:
        period = exposure_period(order)
        days.update(filter(None, (period.first, *order.given_on)))
        days.update(day + DAY for day in (period.last, *order.given_on) if day)
    changes = sorted(day for day in days if day <= on)
    found: list[tuple[dt.date, dt.date, float | None, Fact | None]] = []
    for first, following in zip(changes, [*changes, on + DAY][1:], strict=True):
        told = {fact.name: fact for fact in steroid_facts(record, first)}
        fact = told.get(_PREDNISONE)
        running = any(_runs(order, first) for order in orders)
        dose = float(fact.value) if fact else (None if running else 0.0)
        last = following - DAY
        if found and found[-1][2] == dose and found[-1][1] + DAY == first:
            found[-1] = (found[-1][0], last, dose, found[-1][3])
        else:
            found.append((first, last, dose, fact))
    return found


def _runs(order: Exposure, day: dt.date) -> bool:
    return exposure_period(order).covers(day) is not False and order.status != "planned"
