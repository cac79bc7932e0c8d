"""The one decision of this service: every rule judged on what is known of the patient on a day."""

from __future__ import annotations

from datetime import date

from eligibility_scoring import (
    burden,
    cns_active_drugs,
    gaps,
    hippocampus_and_memantine,
    neoadjuvant,
    open_questions,
    pathway,
    prognosis,
    progression,
    quality,
    radiosurgery,
    status,
    surgery,
    systemic_therapy,
    timing,
    trial_matching,
    tumour_types,
    whole_brain,
)
from eligibility_scoring.dosing import effect, histology, planning, schedules, size, tolerance
from eligibility_scoring.questions import with_sides
from isodose.clinical import derive, rules
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

RULES = (
    *pathway.RULES,
    *status.RULES,
    *burden.RULES,
    *radiosurgery.RULES,
    *size.RULES,
    *schedules.RULES,
    *tolerance.RULES,
    *effect.RULES,
    *histology.RULES,
    *planning.RULES,
    *timing.RULES,
    *neoadjuvant.RULES,
    *surgery.RULES,
    *whole_brain.RULES,
    *hippocampus_and_memantine.RULES,
    *systemic_therapy.RULES,
    *cns_active_drugs.RULES,
    *tumour_types.RULES,
    *progression.RULES,
    *quality.RULES,
    *prognosis.RULES,
    *gaps.RULES,
    *open_questions.RULES,
    *trial_matching.RULES,
)


def decide(record: PatientRecord, knowledge: Knowledge, on: date) -> list[Finding]:
    """All findings, met or not, in the order of the pathway; open questions with the arguments on each side.

    Pure: the same input gives the same bytes.
    """
    return with_sides(rules.judge(RULES, derive.as_of(record, on), knowledge, on), knowledge)
