"""The treatments of one adverse radiation effect as they stand: what is for each, and what is against it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from are_surveillance.workup.states import WorkUp
from isodose.clinical import facts, timeline
from isodose.clinical.finding import Finding, Strength, Verdict
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

Name = Literal["observe", "steroid", "bevacizumab", "litt", "surgery", "boswellia"]
TITLE: dict[Name, str] = {
    "observe": "Observation with short-interval MRI",
    "steroid": "Glucocorticoid",
    "bevacizumab": "Bevacizumab",
    "litt": "Laser interstitial thermal therapy",
    "surgery": "Resection",
    "boswellia": "Boswellia serrata",
}
FAILED = "ARE-MGMT-steroid-failure"
"""Steroids do not help, or cannot be tapered: what is second-line comes into question either way."""
JUDGED_BY: dict[Name, str] = {
    "observe": "ARE-MGMT-asymptomatic-observe",
    "steroid": "ARE-MGMT-steroid-first",
    "bevacizumab": "ARE-MGMT-bevacizumab",
    "litt": "ARE-MGMT-litt",
    "surgery": "ARE-MGMT-surgery",
    "boswellia": "ARE-MGMT-boswellia",
}
ALSO: dict[Name, tuple[str, ...]] = {
    "observe": ("ARE-DX-early-change-observe",),
    "steroid": (),
    "bevacizumab": (FAILED, "SUP-MGMT-bevacizumab-regimen", "ARE-RISK-vegf-mechanism"),
    "litt": (
        FAILED,
        "ARE-MGMT-litt-ici",
        "ARE-MGMT-litt-tissue",
        "ARE-MGMT-litt-outcome",
        "ARE-MGMT-remaster-cohorts",
    ),
    "surgery": (FAILED,),
    "boswellia": (FAILED,),
}
CAUTIONS: dict[Name, tuple[str, ...]] = {
    "observe": (),
    "steroid": ("ARE-MGMT-steroid-with-ici", FAILED),
    "bevacizumab": ("ARE-MGMT-bevacizumab-cautions",),
    "litt": ("ARE-MGMT-litt-oedema",),
    "surgery": (),
    "boswellia": (),
}


@dataclass(frozen=True, slots=True)
class Treatment:
    """One treatment. `stands` says whether it is in question, is not, or cannot be judged; `for_` are the
    findings for it; `against` are sentences with what the record holds against it.
    """

    name: Name
    stands: Verdict
    strength: Strength
    for_: tuple[Finding, ...]
    against: tuple[str, ...]
    missing: tuple[str, ...]


def treatments(
    workup: WorkUp, record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> list[Treatment]:
    """The treatments of the effect in question, in the order in which the review names them."""
    if workup.state in ("closed", "progression-likely") or workup.tissue == "viable_tumour":
        return []
    own = {f.code: f for f in workup.findings}
    failed = own[FAILED].verdict == "met" if FAILED in own else False
    found = []
    for name, code in JUDGED_BY.items():
        judged = own.get(code)
        if judged is None:
            continue
        backing = (judged, *(own[also] for also in ALSO[name] if also in own))
        against = (
            *_cautions(name, own, findings),
            *_in_the_record(name, record, workup.lesion, knowledge, on),
        )
        found.append(
            Treatment(
                name,
                _second_line(name, record, workup.lesion, on)
                if failed and name in _AFTER_STEROIDS
                else judged.verdict,
                judged.strength,
                tuple(f for f in backing if f.verdict == "met"),
                tuple(dict.fromkeys(against)),
                judged.missing,
            )
        )
    return found


_AFTER_STEROIDS = ("bevacizumab", "surgery")


def _second_line(name: Name, record: PatientRecord, lesion: str, on: dt.date) -> Verdict:
    """After steroids have failed both are in question; an operation only where the lesion can be reached."""
    if name == "bevacizumab" or _is(record, lesion, "lesion_surgically_accessible", True, on):
        return "met"
    return "not-met" if _is(record, lesion, "lesion_surgically_accessible", False, on) else "unknown"


def _cautions(name: Name, own: dict[str, Finding], findings: Sequence[Finding]) -> Iterator[str]:
    for code in CAUTIONS[name]:
        for finding in [own[code]] if code in own else [f for f in findings if f.code == code]:
            if finding.verdict == "met":
                yield finding.summary
    if name == "bevacizumab":
        for finding in findings:
            if finding.code == "SUP-HOLD-bevacizumab-surgery" and finding.value in ("red", "amber"):
                yield f"Interval to an operation: {finding.value} ({finding.applies_to})."


def _in_the_record(
    name: Name, record: PatientRecord, lesion: str, knowledge: Knowledge, on: dt.date
) -> Iterator[str]:
    """Contraindications that stand in the record itself, with their day and source."""
    if name == "steroid":
        yield from _steroid_taken(record, on)
    if name == "bevacizumab":
        if _is(record, lesion, "haemorrhage_risk", True, on):
            yield "A bleeding risk is on record."
        yield from _operations_near(record, knowledge, on)
    if name == "surgery":
        if _is(record, lesion, "lesion_surgically_accessible", False, on):
            yield "The lesion is recorded as not accessible to surgery."
        yield from _bevacizumab_before(record, knowledge, on)
    if name == "litt":
        if _is(record, lesion, "litt_feasible", False, on):
            yield "LITT is recorded as not feasible."
        yield from _bevacizumab_before(record, knowledge, on)
    if name == "boswellia" and _is(record, lesion, "otc_boswellia_use", True, on):
        yield "Boswellia serrata is already taken."


def _steroid_taken(record: PatientRecord, on: dt.date) -> Iterator[str]:
    """A glucocorticoid that is given already is no first treatment any more."""
    dose = facts.current(record.facts, "steroid_dexamethasone_mg_per_day", on)
    if dose is None or not isinstance(dose.value, int | float) or dose.value <= 0:
        return
    days = facts.current(record.facts, "steroid_duration_days", on)
    since = f", for {days.value:g} days" if days is not None and isinstance(days.value, int | float) else ""
    yield (
        f"A glucocorticoid is taken already, {dose.value:g} mg dexamethasone equivalent per day{since}: "
        "record whether the symptoms persist on it."
    )


def _is(record: PatientRecord, lesion: str, name: str, value: bool, on: dt.date) -> bool:
    scope = facts.definition(name).scope
    given = record.facts
    if scope == "lesion":
        given = next((s.facts for s in record.of_scope("lesion") if s.ref == lesion), ())
    fact = facts.current(given, name, on)
    return fact is not None and fact.value is value


def _operations_near(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> Iterator[str]:
    days = knowledge.values("ARE-MGMT-bevacizumab-cautions", on)["days_below"]
    for operation in record.operations:
        if operation.on is None or operation.status not in ("planned", "done"):
            continue
        apart = abs((operation.on - on).days)
        if apart < days and (operation.status == "planned" or operation.on <= on):
            word = "is planned for" if operation.on > on else "was done on"
            yield f"An operation {word} {operation.on}, within {days} days of today ({operation.ref})."


def _bevacizumab_before(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> Iterator[str]:
    days = knowledge.values("ARE-MGMT-bevacizumab-cautions", on)["days_below"]
    doses = [
        day
        for e in record.exposures
        if e.drug_class == "anti_vegf" and not e.draft and e.status != "planned"
        for day in (*e.given_on, *filter(None, (e.start, e.end)))
    ]
    last = timeline.nearest_before(doses, on)
    if last is not None and (on - last).days < days:
        yield f"Bevacizumab was given on {last}: wounds heal poorly until {last + timeline.DAY * days}."
