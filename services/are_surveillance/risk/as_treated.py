"""Size as it was treated: what a lesion measures today says nothing of the volume that was irradiated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from are_surveillance.anchors import Anchor
from are_surveillance.risk import dose_volume, factors
from isodose.clinical import rules
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Fact, PatientRecord, Subject

SIZES = ("lesion_diameter_cm", "lesion_volume_ml")
BY_SIZE = (
    "ARE-RISK-diameter-3cm",
    "ARE-RISK-fsrs-4-14ml",
    "ARE-RISK-fsrs-over-14ml",
    "SUP-ARE-size-sneed",
    "SUP-ARE-high-risk-flag",
)
_RULES = [rule for rule in (*factors.RULES, *dose_volume.RULES) if rule.code in BY_SIZE]


def as_treated(
    known: PatientRecord,
    findings: Sequence[Finding],
    anchor: Anchor,
    lesions: Sequence[str],
    *,
    knowledge: Knowledge,
    on: dt.date,
) -> list[Finding]:
    """`findings` with those that rest on the size of `lesions` judged on measurements up to the course.

    `known` holds what follows from the record on the day `on`. A lesion that was not measured before the
    course is of unknown size.
    """
    about = {"", *lesions}
    kept = [f for f in findings if f.code not in BY_SIZE or f.applies_to not in about]
    return [*kept, *rules.judge(_RULES, sized(known, anchor, lesions), knowledge, on, about)]


def sized(known: PatientRecord, anchor: Anchor, lesions: Sequence[str]) -> PatientRecord:
    """`known` with the size that `lesions` had when the course ended, and none they had later."""
    about = {"", *lesions}
    subjects = tuple(_before(s, anchor.day) if s.ref in about else s for s in known.subjects)
    return msgspec.structs.replace(known, subjects=subjects)


def _before(lesion: Subject, day: dt.date) -> Subject:
    def stands(fact: Fact) -> bool:
        return fact.name not in SIZES or fact.on is None or fact.on <= day

    return msgspec.structs.replace(lesion, facts=tuple(fact for fact in lesion.facts if stands(fact)))
