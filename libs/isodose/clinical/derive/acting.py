"""Whether a drug acts on a day, and from which order, statement or dose that follows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files

import msgspec
from msgspec.structs import replace

from isodose.clinical import facts
from isodose.clinical.record import Certainty, Exposure, Fact, FactScalar
from isodose.clinical.timeline import exposure_period
from isodose.clinical.written import parsed

_RANK: tuple[Certainty, ...] = ("sure", "likely", "ask")
_EVERY = re.compile(r"\bevery\s+(\d{1,2})\s*(week|day)s?\b|\bq\s?(\d{1,2})\s?(w|d)\w*", re.IGNORECASE)


class DrugFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of `drugs.yaml`."""

    half_life_days: dict[str, float]
    recalled_half_lives: tuple[str, ...]
    half_lives_of_action: float
    equal_to_prednisone_5_mg: dict[str, float]
    conjugate_days_of_action: int
    daily_days_of_action: int
    cycle_days_of_action: int
    conjugate_agents: dict[str, str]
    cns_active_tki: frozenset[str]
    likely_cns_active_classes: frozenset[str]
    infused_anticancer_classes: frozenset[str]
    oral_anticancer_classes: frozenset[str]


@cache
def figures() -> DrugFigures:
    text = files("isodose.clinical.derive").joinpath("drugs.yaml").read_text(encoding="utf-8")
    return msgspec.convert(parsed(text), DrugFigures)


class Acting(msgspec.Struct, frozen=True, gc=False):
    """A drug acts on the day: the exposure that shows it, how surely, since or last when, and why."""

    exposure: Exposure
    certainty: Certainty
    on: dt.date | None
    reason: str


def acting_on(exposure: Exposure, on: dt.date, days_of_action: float) -> Acting | None:
    """The evidence that `exposure` acts on the day, or None where nothing shows it.

    A drug acts while its order runs, and for `days_of_action` after the last known dose or the end.
    """
    if exposure.status == "planned" or exposure.draft:
        return None
    if is_long_over(exposure, on, days_of_action):
        return None
    period = exposure_period(exposure)
    if exposure.cycle_days and exposure.cycle_days > days_of_action:
        return _acting_in_its_cycle(exposure, on, days_of_action)
    if _runs_on(exposure, on):
        since = f"since {period.first}" if period.first else "with no start date given"
        certainty = exposure.certainty if period.first else least(exposure.certainty, "likely")
        return Acting(exposure, certainty, exposure.start or period.first, f"{_name(exposure)} {since}")
    last = last_known_day(exposure, on)
    if last is not None and (on - last).days <= days_of_action:
        why = f"{_name(exposure)} last on {last}, acts for up to {days_of_action:g} days"
        return Acting(exposure, least(exposure.certainty, "likely"), last, why)
    return None


def is_long_over(exposure: Exposure, on: dt.date, days_of_action: float) -> bool:
    """Most of a long record is: told at a glance."""
    last = exposure.end
    if last is None or (exposure.given_on and max(exposure.given_on) > last):
        return False
    return (on - last).days > days_of_action


def _acting_in_its_cycle(exposure: Exposure, on: dt.date, days_of_action: float) -> Acting | None:
    """A drug ordered for one day in so many acts on that day, and for its days of action after it."""
    last = last_known_day(exposure, on)
    if exposure.start is not None and exposure.start <= on and exposure.cycle_days:
        until = on if exposure.end is None else min(on, exposure.end)
        if exposure.status == "active" or exposure.end is not None:
            dose = exposure.start + dt.timedelta(
                days=(until - exposure.start).days // exposure.cycle_days * exposure.cycle_days
            )
            last = dose if last is None or exposure.end is not None else max(last, dose)
    if last is None or (on - last).days > days_of_action:
        return None
    why = f"{_name(exposure)} every {exposure.cycle_days} days, last due on {last}"
    return Acting(exposure, least(exposure.certainty, "likely"), last, why)


def _runs_on(exposure: Exposure, on: dt.date) -> bool:
    if exposure.status == "on-hold":
        return False
    if exposure.start is not None and exposure.start > on:
        return False
    if exposure.end is not None:
        return on <= exposure.end and (exposure.start is not None or exposure.status == "active")
    return exposure.status == "active" and (exposure.start is not None or not exposure.given_on)


def last_known_day(exposure: Exposure, on: dt.date) -> dt.date | None:
    """The last dose or the end, not after `on`. Of an order that ended on a day not told, its first day: it
    was not given for less than that.
    """
    days = [day for day in (*exposure.given_on, exposure.end) if day is not None and day <= on]
    ended = exposure.status in ("stopped", "completed") and exposure.end is None
    if not days and ended and exposure.start is not None and exposure.start <= on:
        return exposure.start
    return max(days, default=None)


def planned_from(exposure: Exposure, on: dt.date) -> bool:
    """The drug is proposed, drafted, or ordered to begin later than `on`."""
    if exposure.status == "planned" or exposure.draft:
        return True
    return exposure.status == "active" and exposure.start is not None and exposure.start > on


def evidence_of(
    exposures: Iterable[Exposure], on: dt.date, days_of_action: Callable[[Exposure], float]
) -> list[Acting]:
    """Which of `exposures` act on the day, the surest first; a later stop of the same drug told by another
    kind of source makes it uncertain.
    """
    everything = list(exposures)
    stops = [e for e in everything if e.status == "stopped" and e.end is not None and e.end <= on]
    found: list[Acting] = []
    for exposure in everything:
        acting = acting_on(exposure, on, days_of_action(exposure))
        if acting is not None:
            found.append(_weakened_by_a_stop(acting, stops) if stops else acting)
    return sorted(found, key=lambda a: (_RANK.index(a.certainty), a.exposure.concept, a.exposure.ref))


def _weakened_by_a_stop(acting: Acting, stops: Sequence[Exposure]) -> Acting:
    for other in stops:
        same_drug = other.concept == acting.exposure.concept and _kind(other) != _kind(acting.exposure)
        if same_drug and other.end and (acting.on is None or other.end > acting.on):
            reason = f"{acting.reason}; another source says stopped on {other.end}"
            return replace(acting, certainty="ask", reason=reason)
    return acting


def _kind(exposure: Exposure) -> str:
    return exposure.ref.partition("/")[0]


def least(*certainties: Certainty) -> Certainty:
    """The least sure of several."""
    return max(certainties, key=_RANK.index)


def cycle_days(exposure: Exposure) -> int | None:
    """Days from dose to dose by the order's timing, else by its own words: "every 3 weeks", "q21d"."""
    if exposure.cycle_days is not None:
        return exposure.cycle_days
    match = _EVERY.search(exposure.text)
    if match is None:
        return None
    count, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
    return int(count) * (7 if unit.lower().startswith("w") else 1)


def derived(
    name: str,
    value: FactScalar,
    evidence: Sequence[Acting],
    certainty: Certainty = "sure",
    reasons: Sequence[str] = (),
) -> Fact:
    """A fact that rests on `evidence`, dated and sourced by its strongest part, no surer than `certainty`."""
    best = min(evidence, key=lambda a: (_RANK.index(a.certainty), a.exposure.ref))
    return Fact(
        name=name,
        value=value,
        unit=facts.definition(name).unit,
        on=best.on,
        source=best.exposure.ref,
        certainty=least(best.certainty, certainty),
        stated=False,
        reasons=tuple(dict.fromkeys(reasons or [a.reason for a in evidence])),
    )


def is_anticancer(exposure: Exposure) -> bool:
    """Systemic therapy of the cancer; bevacizumab is not counted, it may treat a radiation effect."""
    role = exposure.drug_class
    known = figures()
    return (
        role.startswith(("ici_", "adc_", "tki_", "braf_", "mek_"))
        or role in known.infused_anticancer_classes
        or role in known.oral_anticancer_classes
    )


def _name(exposure: Exposure) -> str:
    return exposure.concept.replace("_", " ")
