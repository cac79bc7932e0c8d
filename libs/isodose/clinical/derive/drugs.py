"""Facts that follow from the drugs of a record on a day.

Sound only: a drug that acts gives true; that none is recorded gives nothing, because a medication list is no
proof of absence. A fact the record states itself stands before a derived one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from msgspec.structs import replace

from isodose.clinical import facts
from isodose.clinical.derive.acting import (
    Acting,
    derived,
    evidence_of,
    figures,
    is_anticancer,
    is_long_over,
    planned_from,
)
from isodose.clinical.derive.drug_holds import hold_facts
from isodose.clinical.derive.drug_intervals import interval_facts
from isodose.clinical.derive.steroids import steroid_facts
from isodose.clinical.derive.subjects import Derived, Key, attach
from isodose.clinical.record import Certainty, Exposure, Fact, PatientRecord
from isodose.clinical.timeline import exposure_period, weeks_between

_ICI_CLASS = {
    "ici_pd1": "anti_pd1",
    "ici_pdl1": "anti_pdl1",
    "ici_ctla4": "anti_ctla4",
    "ici_pd1_lag3": "dual",
}
_VEGFR_AGENTS = frozenset(("cabozantinib", "sunitinib", "lenvatinib", "pazopanib", "axitinib"))


def acting_drugs(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with what follows on checkpoint inhibitors, conjugates and kinase inhibitors, and no more."""
    now = still_acting(record, on)
    found = (*_checkpoint_inhibitors(record, now, on), *_conjugates(now, on), *_kinase_inhibitors(now, on))
    return attach(record, [("patient", "", fact) for fact in found], {}) if found else record


def drug_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with derived drug facts."""
    now = still_acting(record, on)
    found: list[Fact] = [
        *_checkpoint_inhibitors(record, now, on),
        *steroid_facts(record, on),
        *_conjugates(now, on),
        *_kinase_inhibitors(now, on),
        *_systemic_therapy(now, on),
        *_company(now, on),
    ]
    intervals = [*interval_facts(record, on), *hold_facts(record, on)]
    if not found and not intervals:
        return record
    links = {c.ref: tuple(filter(None, (*c.target_lesions, c.planned_by, c.ref))) for c in record.courses}
    links |= {operation.ref: operation.lesions for operation in record.operations}
    wanted: dict[Key, tuple[str, ...]] = {("course", ref): links[ref] for _, ref, _ in intervals}
    own: list[Derived] = [("patient", "", fact) for fact in found]
    return attach(record, [*own, *intervals], wanted)


def is_ici(exposure: Exposure) -> bool:
    return exposure.drug_class.startswith("ici_")


def is_conjugate(exposure: Exposure) -> bool:
    return exposure.drug_class.startswith("adc_")


def days_of_action(exposure: Exposure) -> float:
    """How long a drug acts after its last dose."""
    return _days_of_action(exposure.concept, exposure.drug_class)


@cache
def _days_of_action(concept: str, drug_class: str) -> float:
    known = figures()
    if drug_class.startswith("ici_"):
        return known.half_lives_of_action * known.half_life_days.get(concept, 0.0)
    if drug_class.startswith("adc_"):
        return known.conjugate_days_of_action
    if drug_class in known.infused_anticancer_classes or drug_class == "anti_vegf":
        return known.cycle_days_of_action
    return known.daily_days_of_action


def acting(record: PatientRecord, on: dt.date, chosen: Callable[[Exposure], bool]) -> list[Acting]:
    """Evidence that the chosen drugs act on the day."""
    return evidence_of((e for e in record.exposures if chosen(e)), on, days_of_action)


def still_acting(record: PatientRecord, on: dt.date) -> PatientRecord:
    """The record with the drugs alone that may act on the day, and what tells that a drug was stopped."""
    kept = (
        e for e in record.exposures if e.status == "stopped" or not is_long_over(e, on, days_of_action(e))
    )
    return replace(record, exposures=tuple(kept))


def _checkpoint_inhibitors(record: PatientRecord, now: PatientRecord, on: dt.date) -> Iterable[Fact]:
    exposures = [e for e in record.exposures if is_ici(e)]
    active = acting(now, on, is_ici)
    planned = [_planned(e, on) for e in exposures if planned_from(e, on)]
    begun = [(e, exposure_period(e).first) for e in exposures if not planned_from(e, on)]
    earlier = [a for a in (_given_before(e, first, on) for e, first in begun) if a is not None]
    if active:
        yield derived("ici_active", True, active)
        yield derived("immunotherapy_based", True, active)
        yield from _since_first_dose(begun, active, on)
    if planned:
        yield derived("ici_planned", True, planned)
    if earlier:
        yield derived("ici_naive", False, earlier)
    if active or planned:
        yield from _agent(active or planned)
    else:
        yield from _half_life_of_stated_agent(record)


def _planned(exposure: Exposure, on: dt.date) -> Acting:
    day = f" for {exposure.start}" if exposure.start else ""
    stale = exposure.start is not None and exposure.start < on
    certainty = "likely" if stale and exposure.certainty == "sure" else exposure.certainty
    reason = f"{exposure.concept.replace('_', ' ')} {'drafted' if exposure.draft else 'planned'}{day}"
    return Acting(exposure, certainty, None, reason)


def _given_before(exposure: Exposure, first: dt.date | None, on: dt.date) -> Acting | None:
    """Evidence of a dose before the day; an order that begins on the day is no earlier drug."""
    name = exposure.concept.replace("_", " ")
    if first is not None and first < on:
        return Acting(exposure, exposure.certainty, first, f"{name} from {first}")
    if first is None and exposure.status in ("active", "stopped", "completed"):
        certainty = "likely" if exposure.certainty == "sure" else exposure.certainty
        return Acting(exposure, certainty, None, f"{name} {exposure.status}, no date given")
    return None


def _since_first_dose(
    begun: Sequence[tuple[Exposure, dt.date | None]], active: Sequence[Acting], on: dt.date
) -> Iterable[Fact]:
    """Weeks since the first dose of the drugs that act now."""
    concepts = {a.exposure.concept for a in active}
    same = [(e, first) for e, first in begun if e.concept in concepts]
    firsts = [first for _, first in same]
    known = [first for first in firsts if first is not None and first <= on]
    if known and len(known) == len(firsts):
        first = min(known)
        exact = any(first in e.given_on for e, _ in same)
        why = [f"first known dose on {first}"]
        weeks = weeks_between(first, on)
        yield derived("weeks_from_ici_start", weeks, active, "sure" if exact else "likely", why)


def _agent(evidence: Sequence[Acting]) -> Iterable[Fact]:
    """Agent, class and half-life; of several antibodies the longest half-life and no single agent."""
    concepts = sorted({a.exposure.concept for a in evidence})
    classes = {_ICI_CLASS.get(a.exposure.drug_class) for a in evidence}
    if len(concepts) == 1 and concepts[0] != "nivolumab_relatlimab":
        agent = concepts[0] if concepts[0] in facts.definition("ici_agent").values else "other"
        yield derived("ici_agent", agent, evidence)
    if len(classes) == 1 and (only := next(iter(classes))) is not None:
        yield derived("ici_agent_class", only, evidence)
    elif len(classes) > 1:
        yield derived("ici_agent_class", "dual", evidence)
    half_lives = {c: figures().half_life_days[c] for c in concepts if c in figures().half_life_days}
    if len(half_lives) == len(concepts):
        longest = max(half_lives, key=lambda c: (half_lives[c], c))
        recalled = longest in figures().recalled_half_lives
        why = f"half-life of {longest.replace('_', ' ')}"
        why += ", the longest of several" if len(concepts) > 1 else ""
        why += "; recalled, its source awaits clinical sign-off" if recalled else ""
        unsure = len(concepts) > 1 or recalled
        certainty: Certainty = "likely" if unsure else "sure"
        yield derived("ici_half_life_days", half_lives[longest], evidence, certainty, [why])


def _half_life_of_stated_agent(record: PatientRecord) -> Iterable[Fact]:
    for stated in record.facts:
        days = figures().half_life_days.get(str(stated.value)) if stated.name == "ici_agent" else None
        if days is not None:
            why = (f"half-life of {stated.value}",)
            unit = facts.definition("ici_half_life_days").unit
            yield replace(stated, name="ici_half_life_days", value=days, unit=unit, stated=False, reasons=why)


def _conjugates(record: PatientRecord, on: dt.date) -> Iterable[Fact]:
    active = acting(record, on, is_conjugate)
    if active:
        yield derived("antibody_drug_conjugate_active", True, active)
        agents = {figures().conjugate_agents.get(a.exposure.concept, "other") for a in active}
        if len(agents) == 1:
            yield derived("antibody_drug_conjugate_agent", agents.pop(), active)


def _kinase_inhibitors(record: PatientRecord, on: dt.date) -> Iterable[Fact]:
    braf = acting(record, on, lambda e: e.drug_class == "braf_inhibitor")
    if braf:
        yield derived("braf_inhibitor_active", True, braf)
        agents = {a.exposure.concept for a in braf}
        if len(agents) == 1:
            yield derived("braf_inhibitor_agent", agents.pop(), braf)
    if mek := acting(record, on, lambda e: e.drug_class == "mek_inhibitor"):
        yield derived("mek_inhibitor_active", True, mek)
    named = acting(record, on, lambda e: e.concept in figures().cns_active_tki)
    likely = acting(record, on, lambda e: e.drug_class in figures().likely_cns_active_classes)
    if named:
        yield derived("tki_active", True, named)
    elif likely:
        yield derived("tki_active", True, likely, certainty="likely")
    if named or braf:
        yield derived("cns_active_therapy_active", True, [*named, *braf])
    vegfr = acting(record, on, lambda e: e.concept in _VEGFR_AGENTS)
    if len({a.exposure.concept for a in vegfr}) == 1:
        yield derived("vegfr_tki_agent", vegfr[0].exposure.concept, vegfr)


def _systemic_therapy(record: PatientRecord, on: dt.date) -> Iterable[Fact]:
    """Anticancer drugs; bevacizumab alone does not count, it may treat an adverse radiation effect."""
    if active := acting(record, on, is_anticancer):
        yield derived("systemic_therapy_active", True, active)


def _company(record: PatientRecord, on: dt.date) -> Iterable[Fact]:
    """What is taken beside: prophylaxis against Pneumocystis, Boswellia."""
    prophylaxis = acting(record, on, lambda e: e.drug_class == "pjp_prophylaxis" and e.route != "topical")
    if prophylaxis:
        why = [f"{a.reason}; its dose is not judged" for a in prophylaxis]
        yield derived("pjp_prophylaxis_active", True, prophylaxis, "likely", why)
    if boswellia := acting(record, on, lambda e: e.concept == "boswellia_serrata"):
        yield derived("otc_boswellia_use", True, boswellia)
