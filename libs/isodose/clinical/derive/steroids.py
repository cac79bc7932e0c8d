"""The daily glucocorticoid dose and how long it has been given, from the steroids active on a day.

Systemic steroids add up; topical, inhaled, ophthalmic and local ones do not count. One active steroid whose
dose cannot be computed leaves the daily dose unknown: the sum of the others would be too low. That such a
steroid is active is still told, with the order's own words, by `active_steroids`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec.structs import replace

from isodose.clinical.derive.acting import Acting, derived, evidence_of, figures, least
from isodose.clinical.record import Certainty, Exposure, Fact, PatientRecord
from isodose.clinical.timeline import Period, exposure_period, merged

_LONGEST_MARK_DAYS = 28
_CODED_REASONS = {
    "cerebral_oedema": "cns_oedema",
    "adrenal_insufficiency": "replacement",
    "radiation_hypopituitarism": "replacement",
    "radionecrosis_brain": "are",
    **dict.fromkeys(
        (
            "rheumatoid_arthritis",
            "sle",
            "crohn_disease",
            "ulcerative_colitis",
            "psoriasis",
            "autoimmune_disease",
        ),
        "cancer_unrelated",
    ),
}
_REASONS_IN_WORDS = (
    ("are", re.compile(r"radi(ation|o)[ -]?necrosis")),
    (
        "cns_oedema",
        re.compile(
            r"(brain|cerebral|vasogenic|perilesional|peritumou?ral).{0,20}o?edema"
            r"|o?edema.{0,30}(brain|lesion|tumou?r|metasta)"
        ),
    ),
    ("antiemetic", re.compile(r"nausea|emesis|emetic|vomiting")),
    ("replacement", re.compile(r"adrenal insufficiency|hypopituitarism|replacement")),
    ("immune_adverse_event", re.compile(r"immune[ -]related|irae|immune[ -]mediated")),
)
_DEXAMETHASONE = "steroid_dexamethasone_mg_per_day"
_PREDNISONE = "prednisone_equivalent_mg_per_day"


def active_steroids(record: PatientRecord, on: dt.date) -> list[Acting]:
    """Evidence for every systemic glucocorticoid given on the day."""
    return evidence_of(systemic_steroids(record), on, lambda _: 0)


def systemic_steroids(record: PatientRecord) -> list[Exposure]:
    """All glucocorticoid exposures that reach the whole body; a route not told counts as systemic."""
    return [e for e in record.exposures if e.drug_class == "corticosteroid" and e.route in ("", "systemic")]


def steroid_facts(record: PatientRecord, on: dt.date) -> list[Fact]:
    """Dose as dexamethasone and as prednisone, duration so far and as planned.

    A stated dose beats the orders, and the other unit follows from it.
    """
    active = active_steroids(record, on)
    dose = _converted(record, on) or _dose(active)
    return [*dose, *_duration(record, active, on), *_indication(active)]


def _indication(active: Sequence[Acting]) -> Iterable[Fact]:
    """The reason, where every active steroid gives one and all agree; replacement beside another reason does
    not change that reason.
    """
    read = [_reason(a.exposure.indication) for a in active]
    read = [one for one in read if one[0] != "replacement"] or read
    reasons = {reason for reason, _ in read}
    if len(reasons) == 1 and (reason := reasons.pop()):
        certainty: Certainty = "sure" if all(coded for _, coded in read) else "likely"
        yield derived("steroid_indication", reason, active, certainty)


def _reason(indication: str) -> tuple[str, bool]:
    """The reason a steroid order gives, and whether it was coded rather than read from words."""
    if indication in _CODED_REASONS:
        return _CODED_REASONS[indication], True
    said = indication.lower()
    for reason, words in _REASONS_IN_WORDS:
        if words.search(said):
            return reason, False
    return "", False


def _converted(record: PatientRecord, on: dt.date) -> list[Fact]:
    """The dose in the unit that is not stated, from the one that is."""
    factor = 5 / figures().equal_to_prednisone_5_mg["dexamethasone"]
    stated = {name: _stated(record, name, on) for name in (_DEXAMETHASONE, _PREDNISONE)}
    dexamethasone, prednisone = stated[_DEXAMETHASONE], stated[_PREDNISONE]
    if dexamethasone is not None and prednisone is None:
        return [_other_unit(_PREDNISONE, dexamethasone, factor)]
    if prednisone is not None and dexamethasone is None:
        return [_other_unit(_DEXAMETHASONE, prednisone, 1 / factor)]
    return []


def _other_unit(name: str, source: Fact, factor: float) -> Fact:
    value = round(float(source.value) * factor, 6)
    return replace(source, name=name, value=value, stated=False, reasons=(f"from {source.name}",))


def _stated(record: PatientRecord, name: str, on: dt.date) -> Fact | None:
    given = [f for f in record.facts if f.name == name and f.stated and (f.on is None or f.on <= on)]
    return max(given, key=lambda f: (f.on or dt.date.min, f.source, repr(f.value)), default=None)


def _dose(active: Sequence[Acting]) -> Iterable[Fact]:
    parts = [_daily_prednisone(list(group)) for _, group in groupby(_by_concept(active), _concept)]
    doses = [dose for dose, _ in parts if dose is not None]
    if not parts or len(doses) < len(parts):
        return
    total = sum(doses)
    read = any(a.exposure.route == "" or a.exposure.dose_in_words for a in active)
    doubtful = read or not all(agree for _, agree in parts)
    certainty = least(*(a.certainty for a in active), "likely" if doubtful else "sure")
    reasons = [f"{a.reason}: {_dose_words(a.exposure)}{_if_replacement(a.exposure)}" for a in active]
    as_dexamethasone = total * figures().equal_to_prednisone_5_mg["dexamethasone"] / 5
    for name, value in (
        (_PREDNISONE, total),
        (_DEXAMETHASONE, as_dexamethasone),
    ):
        yield derived(name, round(value, 6), active, certainty, reasons)


def _dose_words(exposure: Exposure) -> str:
    return f"{exposure.daily_dose_mg:g} mg per day" if exposure.daily_dose_mg is not None else exposure.text


def _if_replacement(exposure: Exposure) -> str:
    return ", as replacement" if _reason(exposure.indication)[0] == "replacement" else ""


def least_prednisone(active: Sequence[Acting]) -> float:
    """Milligrams of prednisone per day that the active steroids come to at the least: what a range, a dose as
    needed or an order without a dose adds is not counted.
    """
    total = 0.0
    for _, group in groupby(_by_concept(active), _concept):
        same_drug = list(group)
        equal = figures().equal_to_prednisone_5_mg.get(same_drug[0].exposure.concept)
        kinds: dict[str, float] = {}
        for acting in same_drug:
            exposure = acting.exposure
            kind = exposure.ref.partition("/")[0]
            kinds[kind] = kinds.get(kind, 0.0) + (
                exposure.daily_dose_mg or exposure.least_daily_dose_mg or 0.0
            )
        total += max(kinds.values()) * 5 / equal if equal else 0.0
    return round(total, 6)


def _daily_prednisone(same_drug: Sequence[Acting]) -> tuple[float | None, bool]:
    """Daily prednisone of one drug, and whether its sources agree.

    Orders, statements and administrations of one drug tell of the same tablets: each kind is added up by
    itself and the highest counts.
    """
    equal = figures().equal_to_prednisone_5_mg.get(same_drug[0].exposure.concept)
    if equal is None:
        return None, True
    totals: dict[str, float | None] = {}
    for acting in same_drug:
        exposure = acting.exposure
        kind = exposure.ref.partition("/")[0]
        dose = None if exposure.as_needed else exposure.daily_dose_mg
        before = totals.get(kind, 0.0)
        totals[kind] = None if dose is None or before is None else before + dose
    known = [total for total in totals.values() if total is not None]
    if not known:
        return None, True
    return max(known) * 5 / equal, len(set(totals.values())) == 1


def _duration(record: PatientRecord, active: Sequence[Acting], on: dt.date) -> Iterable[Fact]:
    began = _unbroken_since(record, active, on)
    if began is None:
        return
    so_far = (on - began).days
    yield _days("steroid_duration_days", so_far, active, f"without a break since {began}")
    last = planned_end(record, active)
    if last is not None:
        why = f"from {began} to the planned end on {last}"
        yield _days("steroid_planned_days", (last - began).days, active, why)
    elif so_far >= _LONGEST_MARK_DAYS:
        why = f"at least the days since {began}; no end is planned"
        yield _days("steroid_planned_days", so_far, active, why)


def planned_end(record: PatientRecord, active: Sequence[Acting]) -> dt.date | None:
    """The last day of the steroid as ordered, the steps and orders that follow without a break included; None
    where one of them has no end.
    """
    last: dt.date | None = None
    for acting in active:
        if acting.exposure.end is None:
            return None
        last = max(filter(None, (last, acting.exposure.end)))
    ahead = sorted(
        (
            e
            for e in systemic_steroids(record)
            if e.start is not None and e.status == "active" and not e.draft
        ),
        key=lambda e: (e.start or dt.date.min, e.ref),
    )
    for exposure in ahead:
        if last is None or exposure.start is None or exposure.start > last + dt.timedelta(days=1):
            continue
        if exposure.end is None:
            return None
        last = max(last, exposure.end)
    return last


def _days(name: str, days: int, active: Sequence[Acting], reason: str) -> Fact:
    return derived(name, days, active, "likely", [reason])


def _unbroken_since(record: PatientRecord, active: Sequence[Acting], on: dt.date) -> dt.date | None:
    """The first day of the run of steroids that reaches `on`; None where an active one has no start."""
    if not active or any(exposure_period(a.exposure).first is None for a in active):
        return None
    given = [e for e in systemic_steroids(record) if not e.draft and e.status != "planned"]
    periods = [_until(p, on) for e in given if (p := exposure_period(e)).first is not None and p.first <= on]
    for run in reversed(merged(periods)):
        if run.covers(on):
            return run.first
    return None


def _until(period: Period, on: dt.date) -> Period:
    if period.last is not None:
        return Period(period.first, min(period.last, on))
    return Period(period.first, on) if period.ongoing else Period(period.first, period.first)


def _concept(acting: Acting) -> str:
    return acting.exposure.concept


def _by_concept(active: Sequence[Acting]) -> list[Acting]:
    return sorted(active, key=_concept)
