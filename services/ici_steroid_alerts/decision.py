"""The one pure function of the alerts: what the drugs, steroids and radiation of a record say on a day."""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from ici_steroid_alerts import ici_with_radiation, other_pairs, radiation_effects, steroids, targeted_drugs
from isodose.clinical import derive, rules
from isodose.clinical.derive.steroids import active_steroids
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, Fact, PatientRecord, Subject

RULES = (
    *steroids.RULES,
    *ici_with_radiation.RULES,
    *targeted_drugs.RULES,
    *other_pairs.RULES,
    *radiation_effects.RULES,
)

_RADIATION = ("single_srs", "fsrs", "wbrt", "ha_wbrt")
_DOSE = "steroid_dexamethasone_mg_per_day"
_DOSE_FACTS = {_DOSE, "prednisone_equivalent_mg_per_day"}
_SAID = {
    "SUP-STER-equivalence": "The glucocorticoid dose equals {value:.4g} mg prednisone per day.",
    "SUP-ICIPK-half-life-table": "Five half-lives of the checkpoint inhibitor are {value:g} days.",
    "SUP-ICIPK-window-label": "Checkpoint inhibitor and SRS: {words}.",
    "SUP-HOLD-bevacizumab-surgery": "Interval between bevacizumab and the operation: {words}.",
    "SUP-HOLD-vegfr-tki-surgery": "Hold the VEGF-receptor TKI before surgery for {words} (label).",
}


def decide(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
    """Every entry judged for the patient, or for each plan, course or lesion it speaks of.

    Same record, same knowledge version, same day: the same findings.
    """
    return judged(as_seen(record, on), knowledge, on)


def judged(seen: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
    """The findings on a record that already holds what follows from it (`as_seen`)."""
    untold = _untold_dose(seen, on)
    return [_in_words(finding, untold) for finding in rules.judge(RULES, seen, knowledge, on)]


def as_seen(record: PatientRecord, on: dt.date) -> PatientRecord:
    """The record with what follows from it on the day; a course given without plan is its own."""
    seen = derive.as_of(record, on)
    plans = {subject.ref for subject in seen.of_scope("plan")}
    added = [
        _as_plan(course)
        for course in seen.courses
        if course.kind in _RADIATION
        and course.certainty != "ask"
        and not {course.ref, course.planned_by} & plans
        and (course.status in ("completed", "in-progress", "stopped") or course.draft)
    ]
    return replace(seen, subjects=(*seen.subjects, *added)) if added else seen


def _as_plan(course: Course) -> Subject:
    reason = ("read from the course",)
    facts = [
        Fact(
            name="modality",
            value=course.kind,
            source=course.ref,
            certainty=course.certainty,
            stated=False,
            reasons=reason,
        )
    ]
    fractions = course.fractions_planned or course.fractions_delivered
    if fractions is not None:
        facts.append(
            Fact(name="fractions", value=fractions, unit="1", source=course.ref, stated=False, reasons=reason)
        )
    return Subject(
        ref=course.ref, scope="plan", facts=tuple(facts), links=(course.ref, *course.target_lesions)
    )


def _untold_dose(record: PatientRecord, on: dt.date) -> str:
    """Words for an active steroid whose dose cannot be computed, with the order's own text."""
    if rules.current(record.facts, _DOSE, on) is not None:
        return ""
    orders = [a.exposure for a in active_steroids(record, on)]
    words = [f'{e.concept} ({e.ref}): "{e.text}"' if e.text else f"{e.concept} ({e.ref})" for e in orders]
    return (
        f"A systemic steroid is active, its daily dose cannot be computed: {'; '.join(words)}."
        if words
        else ""
    )


def _in_words(finding: Finding, untold_dose: str) -> Finding:
    """The finding with its value in its summary; an undecided one with the steroid whose dose is not told."""
    if finding.verdict == "unknown" and untold_dose and _DOSE_FACTS & set(finding.missing):
        return replace(finding, summary=f"{finding.summary} {untold_dose}")
    if finding.code in _SAID and finding.value is not None:
        words = str(finding.value).replace("_", " ")
        return replace(finding, summary=_SAID[finding.code].format(value=finding.value, words=words))
    return finding
