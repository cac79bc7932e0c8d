"""The one decision of this service: every rule judged on what is known of the patient on a day."""

from __future__ import annotations

from datetime import date

from eligibility_scoring import (
    burden,
    fractionation,
    pathway,
    progression,
    radiosurgery,
    status,
    surgery,
    systemic_therapy,
    whole_brain,
)
from isodose.clinical import derive, rules
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

RULES = (
    *pathway.RULES,
    *status.RULES,
    *burden.RULES,
    *radiosurgery.RULES,
    *fractionation.RULES,
    *surgery.RULES,
    *whole_brain.RULES,
    *systemic_therapy.RULES,
    *progression.RULES,
)


def decide(record: PatientRecord, knowledge: Knowledge, on: date) -> list[Finding]:
    """All findings, met or not, in the order of the pathway. Pure: the same input gives the same bytes."""
    return rules.judge(RULES, derive.as_of(record, on), knowledge, on)
