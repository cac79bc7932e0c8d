"""Alerts about glucocorticoids: with a checkpoint inhibitor, and their own taper, prophylaxis and dose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ici_steroid_alerts.alert import Alert, involved, sources_of
from ici_steroid_alerts.situation import Situation
from isodose.clinical.finding import Finding, Severity
from isodose.clinical.rules import View

_WITH_ICI = "DRUG-steroid-ici-alert"
_SOFTER_REASONS = ("immune_adverse_event", "replacement", "antiemetic", "cancer_unrelated")


def steroid_alerts(s: Situation) -> Iterator[Alert]:
    """At most one alert per reason."""
    yield from _with_checkpoint_inhibitor(s)
    yield from _taper(s)
    yield from _prophylaxis(s)
    yield from _dose(s)


def _with_checkpoint_inhibitor(s: Situation) -> Iterator[Alert]:
    finding = s.met(_WITH_ICI) or _undecided_for_want_of_dose(s)
    if finding is None:
        return
    company = s.all_met(
        "SUP-STER-ici-10mg",
        "SUP-STER-ici-indication",
        "SUP-STER-ici-brain-metastases",
        "SUP-STER-peri-srs",
        "SUP-STER-equivalence",
    )
    findings = (finding, *company)
    facts = ("ici_active", "ici_planned", "steroid_dexamethasone_mg_per_day")
    implicated = involved(s.icis, s.steroid_refs, sources_of(findings, *facts))
    severity = _severity(s, finding)
    yield Alert(
        code=_WITH_ICI,
        severity=severity,
        title=_title(s, finding),
        findings=findings,
        implicated=implicated,
        action=s.knowledge.entry(_WITH_ICI).action,
        settled=finding.verdict == "met",
        interrupts=severity == "high" and not _needed_for_symptoms(s),
        on_card=severity != "low",
        proposals=("taper",) if severity == "high" else (),
    )


def _undecided_for_want_of_dose(s: Situation) -> Finding | None:
    """A steroid acts beside a checkpoint inhibitor, only its dose is not told."""
    undecided = [f for f in s.of(_WITH_ICI) if f.verdict == "unknown"]
    has_ici = View(s.record, s.on)["ici_active"].value is True or s.icis
    return undecided[0] if undecided and s.steroids and has_ici else None


def _severity(s: Situation, finding: Finding) -> Severity:
    """High at the research threshold, low below it or where the reason did not go with worse outcome."""
    if View(s.record, s.on)["steroid_indication"].value in _SOFTER_REASONS:
        return "low"
    if s.met("SUP-STER-ici-10mg"):
        return "high"
    return "moderate" if finding.verdict == "unknown" else "low"


def _needed_for_symptoms(s: Situation) -> bool:
    """Steroid that symptomatic oedema needs is not to be withheld: worth a warning, not a stop."""
    view = View(s.record, s.on)
    symptomatic = view["neuro_symptomatic"].value is True
    return symptomatic and view["steroid_indication"].value in ("cns_oedema", "are")


def _title(s: Situation, finding: Finding) -> str:
    dose = View(s.record, s.on)["prednisone_equivalent_mg_per_day"].value
    if finding.verdict == "unknown" or dose is None:
        return "Steroid with a checkpoint inhibitor; its daily dose could not be computed"
    return f"Steroid with a checkpoint inhibitor: {float(dose):.4g} mg prednisone equivalent per day"


def _taper(s: Situation) -> Iterator[Alert]:
    """Longer than three weeks with no end in any of the orders."""
    finding = s.met("SUP-STER-taper")
    planned_end = s.steroids and all(a.exposure.end is not None for a in s.steroids)
    if finding is None or planned_end:
        return
    yield _own(s, "SUP-STER-taper", "Steroid for more than three weeks without a planned end", finding)


def _prophylaxis(s: Situation) -> Iterator[Alert]:
    """At the mark without prophylaxis; softly, where only prophylaxis itself is not told."""
    title = "Steroid at the mark for Pneumocystis prophylaxis, none recorded"
    for finding in s.of("SUP-STER-pjp"):
        if finding.verdict == "met":
            yield _own(s, "SUP-STER-pjp", title, finding)
        elif finding.missing == ("pjp_prophylaxis_active",):
            alert = _own(s, "SUP-STER-pjp", title, finding)
            yield replace(alert, severity="low", settled=False, on_card=False)


def _dose(s: Situation) -> Iterator[Alert]:
    if finding := s.met("SUP-STER-dex-dose"):
        yield _own(s, "SUP-STER-dex-dose", "Dexamethasone above the band for the symptoms", finding)
    if finding := s.met("SUP-STER-cushing-threshold"):
        company = s.all_met("SUP-STER-glucose")
        title = "Steroid at the Cushing threshold for four weeks"
        yield _own(s, "SUP-STER-cushing-threshold", title, finding, *company)


def _own(s: Situation, code: str, title: str, *findings: Finding) -> Alert:
    entry = s.knowledge.entry(code)
    facts = ("steroid_dexamethasone_mg_per_day", "steroid_duration_days", "prednisone_equivalent_mg_per_day")
    return Alert(
        code=code,
        severity=entry.severity or "low",
        title=title,
        findings=findings,
        implicated=involved(s.steroid_refs, sources_of(findings, *facts)),
        action=entry.action,
        on_card=entry.severity != "low",
        proposals=("glucose",) if code == "SUP-STER-cushing-threshold" and len(findings) > 1 else (),
    )
