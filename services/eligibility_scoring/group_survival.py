"""What is known of survival in patients like this one: the index that fits, and the median of its group.

A Graded Prognostic Assessment speaks of groups at first diagnosis of brain metastases: none is given for a
later course, and never a forecast for one person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from isodose.clinical.facts import current
from isodose.clinical.finding import ByCode, Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

_LUNG = {"adenocarcinoma": "SUP-GPA-lung-adeno", "non_adenocarcinoma": "SUP-GPA-lung-nonadeno"}
_BY_TYPE = {"melanoma": "SUP-GPA-melanoma", "breast": "SUP-GPA-breast", "rcc": "SUP-GPA-renal"}
_TREATED = ("completed", "in-progress", "stopped")


@dataclass(frozen=True, slots=True)
class GroupSurvival:
    """`median_months` of the patients whose index fell into the same band, both ends inclusive."""

    index: str
    score: float
    median_months: float
    band_from: float
    band_to: float
    finding: Finding


def of(record: PatientRecord, found: ByCode, knowledge: Knowledge, on: dt.date) -> GroupSurvival | None:
    """The group the patient belongs to; None where no index fits, is on, or can be told."""
    code = index_for(record, on)
    judged = next((f for f in found.get(code, ()) if f.verdict == "met"), None)
    if judged is None or treated_before(record, on):
        return None
    score = float(judged.value or 0)
    for band in knowledge.values(judged.code, on)["bands"]:
        indices = band["indices"]
        if score in indices:
            return GroupSurvival(
                judged.code, score, float(band["median_months"]), indices[0], indices[-1], judged
            )
    return None


def index_for(record: PatientRecord, on: dt.date) -> str:
    """The index for the tumour type, empty where there is none or the type is not known well enough."""
    histology = _value(record, "histology", on)
    if histology == "nsclc":
        return _LUNG.get(str(_value(record, "nsclc_subtype", on)), "")
    if _value(record, "gi_primary", on) is True:
        return "SUP-GPA-gi"
    return _BY_TYPE.get(str(histology), "")


def treated_before(record: PatientRecord, on: dt.date) -> bool:
    """The brain metastases were treated before, so this is not their first diagnosis."""
    given = any(c.kind != "extracranial" and c.status in _TREATED for c in record.courses)
    return (
        given
        or _value(record, "prior_wbrt", on) is True
        or any(o.status == "done" for o in record.operations)
    )


def _value(record: PatientRecord, name: str, on: dt.date) -> object:
    fact = current(record.facts, name, on)
    return fact.value if fact else None
