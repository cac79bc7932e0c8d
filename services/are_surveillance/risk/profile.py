"""The risk of an adverse radiation effect for each irradiated lesion: what is present, absent, unknown.

Every estimate stands by itself, with its own population. None is multiplied with another: they come from
different patients, and no score that combines them has been validated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from are_surveillance import delivered
from are_surveillance.anchors import Anchor, anchors
from are_surveillance.delivered import plan_of
from are_surveillance.risk.as_treated import as_treated
from are_surveillance.risk.estimates import Estimate, estimates
from isodose.clinical import timeline
from isodose.clinical.derive.courses import lesions_of
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

FACTORS = (
    "SUP-ARE-high-risk-flag",
    "ARE-RISK-diameter-3cm",
    "ARE-RISK-fsrs-4-14ml",
    "ARE-RISK-fsrs-over-14ml",
    "ARE-RISK-v12",
    "SUP-ARE-v12-astro",
    "SUP-ARE-v12-minniti",
    "SUP-ARE-fsrs-volumes",
    "ARE-RISK-schedule",
    "ARE-RISK-covariates",
    "ARE-RISK-histology",
    "ARE-RISK-molecular",
    "ARE-RISK-ici",
    "ARE-RISK-ici-melanoma",
    "ARE-RISK-adc-concurrent",
    "ARE-RISK-tdm1",
    "ARE-RISK-her2-adc",
    "ARE-RISK-braf-inhibitor",
    "ARE-RISK-braf-agent",
    "ARE-RISK-nsclc-tki",
)
"""What raises the risk. ARE-RISK-rcc says the same as ARE-RISK-histology and is not counted again."""

AGAINST = (
    "ARE-RISK-low-dose",
    "ARE-RISK-neoadjuvant-lower",
    "ARE-RISK-ici-low-rate-data",
    "ARE-RISK-tdxd-disputed",
)
"""What lowers the risk, or speaks against one of the factors."""


@dataclass(frozen=True, slots=True)
class Onset:
    """When such effects appear: `percent` of them from `first` to `last`, counted from the course."""

    first: dt.date
    last: dt.date
    percent: float
    earliest_months: float
    latest_months: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The risk of one lesion after its latest course; `lesion` is empty where the course names none."""

    lesion: str
    anchor: Anchor
    present: tuple[Finding, ...]
    against: tuple[Finding, ...]
    absent: tuple[Finding, ...]
    unknown: tuple[Finding, ...]
    estimates: tuple[Estimate, ...]
    onset: Onset

    @property
    def about(self) -> str:
        return self.lesion or self.anchor.course.ref


def profiles(
    record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> list[Profile]:
    """One for each lesion irradiated by the day, in order of reference; one for a course that names none."""
    latest: dict[tuple[str, str], Anchor] = {}
    for anchor in anchors(record.courses, on).given:
        treated, _ = lesions_of(anchor.course, record)
        keys = [(lesion, "") for lesion in treated] or [("", anchor.course.ref)]
        latest.update(dict.fromkeys(keys, anchor))
    known = delivered.as_of(record, on) if latest else record
    found = []
    for (lesion, _), anchor in sorted(latest.items(), key=lambda item: item[0]):
        own = as_treated(known, findings, anchor, [lesion] if lesion else [], knowledge=knowledge, on=on)
        found.append(_profile(lesion, anchor, own, knowledge, on))
    return found


def _profile(
    lesion: str, anchor: Anchor, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> Profile:
    course = anchor.course
    about = {"", lesion, course.ref, plan_of(course)}
    own = [f for f in findings if f.applies_to in about]

    def of(codes: Sequence[str], verdict: str) -> tuple[Finding, ...]:
        found = (f for code in codes for f in own if f.code == code and f.verdict == verdict)
        return tuple({f.code: f for f in found}.values())

    return Profile(
        lesion=lesion,
        anchor=anchor,
        present=of(FACTORS, "met"),
        against=of(AGAINST, "met"),
        absent=of(FACTORS, "not-met"),
        unknown=of((*FACTORS, "SUP-ARE-prior-radiation", "SUP-ARE-v12-hytec"), "unknown"),
        estimates=tuple(estimates(own, course, knowledge, on)),
        onset=_onset(anchor.day, knowledge, on),
    )


def _onset(day: dt.date, knowledge: Knowledge, on: dt.date) -> Onset:
    known = knowledge.values("SUP-ARE-onset", on)
    return Onset(
        first=timeline.months_after(day, known["typical_from_months"]),
        last=timeline.months_after(day, known["typical_to_months"]),
        percent=known["typical_pct"],
        earliest_months=known["earliest_months"],
        latest_months=known["latest_months"],
    )
