"""The one pure function of the alerts: what the drugs, steroids and radiation of a record say on a day."""

from __future__ import annotations

import datetime as dt

from ici_steroid_alerts import ici_with_radiation, other_pairs, steroids, targeted_drugs
from isodose.clinical import derive, rules
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

RULES = (*steroids.RULES, *ici_with_radiation.RULES, *targeted_drugs.RULES, *other_pairs.RULES)


def decide(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
    """Every entry judged for the patient, or for each plan, course or lesion it speaks of.

    Same record, same knowledge version, same day: the same findings.
    """
    return rules.judge(RULES, derive.as_of(record, on), knowledge, on)
