"""Alerts about a checkpoint inhibitor and cranial radiation: risk, benefit and timing in one."""

from __future__ import annotations

from collections.abc import Iterator

from ici_steroid_alerts.alert import Alert, involved, sources_of
from ici_steroid_alerts.situation import SRS, WHOLE_BRAIN, Situation
from isodose.clinical.derive.drugs import is_ici
from isodose.clinical.finding import Finding

_RISK = "DRUG-ici-srs-are-alert"
_WHOLE_BRAIN = "DRUG-ici-wbrt-unknown"
_MATTERS_DAYS = 365
"""Adverse radiation effects after the combination were counted over twelve months (reference 211)."""

_TIMING = "TIME-ici-concurrency-definition"
_BALANCE = ("ARE-RISK-ici-melanoma", "ARE-RISK-ici-low-rate-data")
_BENEFIT = ("DRUG-ici-srs-benefit", "DRUG-ici-srs-concurrent-benefit", "DRUG-ici-fsrs-synergy")
_TIMES = (
    _TIMING,
    "SUP-ICIPK-window-label",
    "DRUG-ici-timing-halflife",
    "TIME-ici-after-srs-naive",
    "TIME-ici-before-srs",
    "TIME-nivolumab-14-days",
)


def ici_alerts(s: Situation) -> Iterator[Alert]:
    """One alert for the drug with SRS, one with whole-brain radiotherapy, however many courses there are."""
    risks = [f for f in s.of(_RISK) if f.verdict == "met"]
    standing = [f for f in risks if _still_matters(s, f.applies_to)]
    if standing:
        yield _with_srs(s, standing)
    whole_brain = [f for f in s.of(_WHOLE_BRAIN) if f.verdict == "met" and _is_ahead(s, f.applies_to)]
    if whole_brain:
        yield _with_whole_brain(s, whole_brain)
    if not risks:
        yield from _planned_around_srs(s)


def _with_srs(s: Situation, standing: list[Finding]) -> Alert:
    plans = [finding.applies_to for finding in standing]
    about = [name for ref in plans for name in _names(s, ref)]
    findings = (*standing, *s.all_met(*_BENEFIT, *_BALANCE, *_TIMES, about=about))
    melanoma = s.view["histology"].value == "melanoma"
    more = ", most of all in melanoma" if melanoma else ""
    return Alert(
        code=_RISK,
        severity="moderate",
        title=f"Checkpoint inhibitor with SRS: better control, and more adverse radiation effects{more}",
        findings=findings,
        implicated=involved(s.icis, plans, sources_of(findings, "ici_active")),
        action=s.knowledge.entry(_RISK).action,
        on_card=any(_is_now(s, ref) for ref in plans),
        drugs=s.concepts(is_ici),
    )


def _still_matters(s: Situation, ref: str) -> bool:
    """SRS that is ahead or under way, or was given within a year and in a published window of the drug."""
    course = s.course_of(ref)
    if course is None or course.status in ("planned", "in-progress"):
        return True
    since = s.days_since(course)
    if since is None or since > _MATTERS_DAYS:
        return False
    labels = [f for f in s.of("SUP-ICIPK-window-label") if f.applies_to in (course.ref, course.planned_by)]
    if not labels or labels[0].verdict == "unknown":
        return s.is_around(course)
    return labels[0].value != "outside"


def _is_now(s: Situation, ref: str) -> bool:
    """Whether the radiation is ahead or just given: later cycles of the drug bring no card each."""
    course = s.course_of(ref)
    return course is None or s.is_around(course)


def _is_ahead(s: Situation, ref: str) -> bool:
    course = s.course_of(ref)
    return course is None or (course.kind in WHOLE_BRAIN and course.status in ("planned", "in-progress"))


def _with_whole_brain(s: Situation, findings: list[Finding]) -> Alert:
    plans = [finding.applies_to for finding in findings]
    return Alert(
        code=_WHOLE_BRAIN,
        severity="low",
        title="Checkpoint inhibitor with whole-brain radiotherapy: safety against SRS is not known",
        findings=tuple(findings),
        implicated=involved(s.icis, plans, sources_of(findings, "ici_active")),
        action=s.knowledge.entry(_WHOLE_BRAIN).action,
        on_card=False,
        drugs=s.concepts(is_ici),
    )


def _planned_around_srs(s: Situation) -> Iterator[Alert]:
    """A first checkpoint inhibitor is planned near SRS: the time to choose the sequence."""
    if s.view["ici_planned"].value is not True:
        return
    for course in s.courses_around(SRS):
        findings = s.all_met(*_TIMES, "DRUG-ici-srs-concurrent-benefit", about=_names(s, course.ref))
        timed = [f for f in findings if f.code == _TIMING]
        if timed:
            yield Alert(
                code=_TIMING,
                severity="low",
                title="Checkpoint inhibitor planned close to SRS: choose the sequence with the dates in view",
                findings=findings,
                implicated=involved(s.icis, (course.ref,), sources_of(findings, "ici_planned")),
                about=course.ref,
                action=s.knowledge.entry("DRUG-ici-timing-halflife").action,
                drugs=s.concepts(is_ici),
            )


def _names(s: Situation, ref: str) -> tuple[str, ...]:
    """A course and its plan go by two references."""
    course = s.course_of(ref)
    return (ref, course.ref, course.planned_by) if course else (ref,)
