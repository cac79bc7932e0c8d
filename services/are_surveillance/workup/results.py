"""The evidence table of a work-up: each result, what it argues for, and whether it counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from isodose.clinical import facts
from isodose.clinical.finding import Finding
from isodose.clinical.record import PatientRecord, Subject

Test = Literal[
    "structure", "diffusion", "growth", "perfusion", "spectroscopy", "amino-acid PET", "fluciclovine PET"
]
Points = Literal["recurrence", "are", "neither"]

STRUCTURAL = ("structure", "diffusion")
"""Signs of structural MRI and diffusion: hardly validated, never enough for a likely state."""
BY_CUTOFF = ("perfusion", "spectroscopy", "amino-acid PET", "fluciclovine PET")
"""Tests whose verdict needs a cut-off that the site has validated (SUP-IMG-rule)."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What an entry argues for when it is met, and when it is not."""

    test: Test
    met: Points
    not_met: Points = "neither"


SIGNS: Mapping[str, Sign] = {
    "ARE-DX-diffusion": Sign("diffusion", "recurrence"),
    "ARE-DX-t1-t2-match": Sign("structure", "recurrence"),
    "ARE-DX-perfusion": Sign("perfusion", "recurrence", "are"),
    "ARE-DX-mrs-recurrence": Sign("spectroscopy", "recurrence"),
    "ARE-DX-mrs-are": Sign("spectroscopy", "are"),
    "ARE-DX-fluciclovine-visual": Sign("fluciclovine PET", "recurrence"),
    "ARE-DX-fluciclovine-suvmax": Sign("fluciclovine PET", "recurrence"),
    "SUP-IMG-lesion-quotient": Sign("structure", "are"),
}
LEANING: Mapping[str, Test] = {
    "SUP-IMG-rcbv": "perfusion",
    "SUP-IMG-fet": "amino-acid PET",
    "SUP-IMG-fdopa": "amino-acid PET",
}
_LEANS: Mapping[str, Points] = {"leans_recurrence": "recurrence", "leans_necrosis": "are"}


@dataclass(frozen=True, slots=True)
class Result:
    """One result of one study. `limit` says why it does not count; empty where it does."""

    test: Test
    points: Points
    text: str
    code: str
    source: str
    on: dt.date | None
    limit: str = ""

    @property
    def counts(self) -> bool:
        return not self.limit and self.points != "neither"


def results_of(
    record: PatientRecord, lesion: Subject, findings: Sequence[Finding], since: dt.date | None, on: dt.date
) -> list[Result]:
    """The results on studies of the lesion from the day of the change on, in order of day.

    A study is of the lesion where it is linked to it, or where the record has no other lesion.
    """
    studies = {s.ref: s for s in record.of_scope("imaging") if _is_of(s, lesion, record)}
    days = {scan.ref: scan.on for scan in record.scans}
    found: list[Result] = []
    for ref, study in studies.items():
        own = [f for f in findings if f.applies_to == ref]
        weakened = any(f.code == "ARE-DX-perfusion-confounders" and f.verdict == "met" for f in own)
        validated = _validated(findings)
        for result in (*_read(own, days.get(ref), lesion, on), *_growth(study, days.get(ref), on)):
            found.append(_limited(result, weakened=weakened, validated=validated))
    recent = (r for r in found if since is None or r.on is None or r.on >= since)
    return sorted(recent, key=lambda r: (r.on or dt.date.max, r.source, r.code))


def _is_of(study: Subject, lesion: Subject, record: PatientRecord) -> bool:
    lesions = record.of_scope("lesion")
    linked = [other.ref for other in lesions if other.ref in study.links or study.ref in other.links]
    return lesion.ref in linked if linked else len(lesions) == 1


def _read(findings: Sequence[Finding], day: dt.date | None, lesion: Subject, on: dt.date) -> Iterator[Result]:
    for finding in findings:
        when = day or max((f.on for f in finding.facts if f.on), default=None)
        points: Points | None = None
        if finding.code in SIGNS and finding.verdict != "unknown":
            sign = SIGNS[finding.code]
            points, test = sign.met if finding.verdict == "met" else sign.not_met, sign.test
            if finding.code == "ARE-DX-t1-t2-match" and finding.verdict == "not-met" and _oedema(lesion, on):
                points = "are"
        elif finding.code in LEANING and finding.verdict == "met" and finding.value != "unknown":
            points, test = _LEANS.get(str(finding.value), "neither"), LEANING[finding.code]
        if points is not None:
            yield Result(test, points, _words(finding), finding.code, finding.applies_to, when)


def _words(finding: Finding) -> str:
    value = f" {str(finding.value).replace('_', ' ')}." if finding.value is not None else ""
    return f"{finding.summary}{value}"


def _oedema(lesion: Subject, on: dt.date) -> bool:
    fact = facts.current(lesion.facts, "perilesional_oedema", on)
    return fact is not None and fact.value is True


def _growth(study: Subject, day: dt.date | None, on: dt.date) -> Iterator[Result]:
    fact = facts.current(study.facts, "growth_on_short_interval_mri", on)
    if fact is None:
        return
    grew = fact.value is True
    text = (
        "It went on growing on the repeat scan." if grew else "It did not go on growing on the repeat scan."
    )
    points: Points = "recurrence" if grew else "are"
    yield Result("growth", points, text, "ARE-DX-short-interval-mri", study.ref, day or fact.on)


def _validated(findings: Sequence[Finding]) -> bool | None:
    """Whether the site has validated its cut-offs; None where that is not known."""
    verdicts = {f.verdict for f in findings if f.code == "SUP-IMG-rule"}
    return {"met": False, "not-met": True}.get(verdicts.pop()) if len(verdicts) == 1 else None


def _limited(result: Result, *, weakened: bool, validated: bool | None) -> Result:
    limit = ""
    if result.test in BY_CUTOFF and validated is not True:
        limit = (
            "the site has not validated its cut-off"
            if validated is False
            else "whether the site has validated its cut-off is not known"
        )
    elif result.code == "ARE-DX-fluciclovine-visual":
        limit = "what this reading is worth is in doubt at its source"
    elif result.test == "perfusion" and weakened:
        limit = "perfusion is weakened by a missing baseline, blood, vessels, sinuses or bone"
    return Result(result.test, result.points, result.text, result.code, result.source, result.on, limit)
