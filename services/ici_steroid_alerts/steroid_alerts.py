"""Alerts about glucocorticoids: with a checkpoint inhibitor, and their own taper, prophylaxis and dose."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import replace

from ici_steroid_alerts.alert import Alert, Proposal, involved, sources_of
from ici_steroid_alerts.situation import Situation
from isodose.clinical.derive.drugs import is_ici
from isodose.clinical.derive.steroids import least_prednisone, planned_end
from isodose.clinical.finding import Finding, Severity

WITH_ICI = "DRUG-steroid-ici-alert"
_OFFERED: dict[str, tuple[Proposal, ...]] = {
    "SUP-STER-taper": ("taper",),
    "SUP-STER-pjp": ("prophylaxis",),
    "SUP-STER-dex-dose": ("lower-dose",),
    "SUP-STER-cushing-threshold": ("glucose",),
}
_BESIDE = (
    "SUP-STER-ici-10mg",
    "SUP-STER-ici-indication",
    "SUP-STER-ici-brain-metastases",
    "SUP-STER-peri-srs",
    "SUP-STER-dex-dose",
    "SUP-STER-equivalence",
    "ARE-MGMT-steroid-with-ici",
    "ARE-MGMT-litt-ici",
    "ARE-MGMT-bevacizumab",
    "ARE-MGMT-surgery",
)
_ASKS_FOR_LESS = ("SUP-STER-ici-10mg", "SUP-STER-peri-srs")
"""Not said of steroid that an immune side effect, a replacement or another illness asks for."""
_LEFT_ALONE = (
    "The reason on record mostly did not go with worse outcome (SUP-STER-ici-indication): the checkpoint "
    "inhibitor alone is no reason to lower or to stop this steroid."
)
_SOFTER_REASONS = ("immune_adverse_event", "replacement", "antiemetic", "cancer_unrelated")


def steroid_alerts(s: Situation) -> Iterator[Alert]:
    """At most one alert per reason."""
    yield from _with_checkpoint_inhibitor(s)
    yield from _taper(s)
    yield from _prophylaxis(s)
    yield from _dose(s)


def _with_checkpoint_inhibitor(s: Situation) -> Iterator[Alert]:
    finding = s.met(WITH_ICI) or _undecided_for_want_of_dose(s)
    if finding is None:
        return
    lesions = [subject.ref for subject in s.record.of_scope("lesion")]
    findings = (finding, *s.all_met(*_BESIDE, about=lesions))
    facts = ("ici_active", "ici_planned", "steroid_dexamethasone_mg_per_day")
    severity = _severity(s, finding)
    softer = s.view["steroid_indication"].value in _SOFTER_REASONS
    if softer:
        findings = tuple(f for f in findings if f.code not in _ASKS_FOR_LESS)
    yield Alert(
        code=WITH_ICI,
        severity=severity,
        title=_title(s, finding),
        findings=findings,
        implicated=involved(s.icis, s.steroid_refs, sources_of(findings, *facts)),
        action=_LEFT_ALONE if softer else s.knowledge.entry(WITH_ICI).action,
        settled=finding.verdict == "met" or _at_least(s) > 0,
        interrupts=severity == "high" and not _needed_for_symptoms(s),
        on_card=severity != "low",
        proposals=() if softer else ("lower-dose", "spare-steroid", "without-steroid"),
        drugs=s.concepts(is_ici),
        step=_doublings(_prednisone(s), _mark(s)),
    )


def _undecided_for_want_of_dose(s: Situation) -> Finding | None:
    """A steroid acts beside a checkpoint inhibitor, only its dose is not told."""
    undecided = [f for f in s.of(WITH_ICI) if f.verdict == "unknown"]
    has_ici = s.view["ici_active"].value is True or s.icis
    return undecided[0] if undecided and s.steroids and has_ici else None


def _severity(s: Situation, finding: Finding) -> Severity:
    """High at the research threshold, low below it or where the reason did not go with worse outcome."""
    if s.view["steroid_indication"].value in _SOFTER_REASONS:
        return "low"
    if s.met("SUP-STER-ici-10mg") or (finding.verdict == "unknown" and _at_least(s) >= _mark(s)):
        return "high"
    return "moderate" if finding.verdict == "unknown" else "low"


def _mark(s: Situation) -> float:
    return float(s.knowledge.values("SUP-STER-ici-10mg", s.on)["prednisone_at_least"])


def _at_least(s: Situation) -> float:
    return least_prednisone(s.steroids)


def _prednisone(s: Situation) -> float:
    """Milligrams of prednisone per day, at the least where the orders leave it open."""
    dose = s.view["prednisone_equivalent_mg_per_day"].value
    return _at_least(s) if dose is None else float(dose)


def _doublings(dose: float, mark: float) -> int:
    """0 up to twice the mark, then one more with each doubling of the dose."""
    return max(0, int(math.log2(dose / mark))) if dose > 0 and mark > 0 else 0


def _needed_for_symptoms(s: Situation) -> bool:
    """Steroid that oedema or a radiation effect needs is not to be withheld: worth a warning, not a stop.

    A stop asks for the reason. Where the orders or a symptomatic effect on record tell it, there is none,
    unless the record knows of no symptoms at all.
    """
    if s.met("ARE-MGMT-steroid-with-ici"):
        return True
    stated = s.view["steroid_indication"].value in ("cns_oedema", "are")
    return stated and s.view["neuro_symptomatic"].value is not False


def _title(s: Situation, finding: Finding) -> str:
    dose = s.view["prednisone_equivalent_mg_per_day"].value
    met = f"Steroid with a checkpoint inhibitor{_timing(s)}"
    if finding.verdict != "unknown" and dose is not None:
        return f"{met}: {float(dose):.4g} mg prednisone equivalent per day"
    if (least := _at_least(s)) > 0:
        return f"{met}: at least {least:.4g} mg prednisone equivalent per day"
    return f"{met}; its daily dose could not be computed"


def _timing(s: Situation) -> str:
    """When the drug began, or that it is about to: the series looked at steroid around the first dose."""
    if s.view["ici_active"].value is not True:
        return " about to begin" if s.view["ici_planned"].value is True else ""
    weeks = s.view["weeks_from_ici_start"].value
    if weeks is None:
        return ""
    return f" (since {s.on - dt.timedelta(days=round(float(weeks) * 7))})"


def _taper(s: Situation) -> Iterator[Alert]:
    """Longer than three weeks with no end in the orders. Replacement has none, and wants none."""
    finding = s.met("SUP-STER-taper")
    replacing = s.view["steroid_indication"].value == "replacement"
    if finding is None or replacing or (s.steroids and planned_end(s.record, s.steroids)):
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
        proposals=_OFFERED.get(code, ()),
        step=_doublings(_prednisone(s), _mark(s)) if code != "SUP-STER-taper" else 0,
    )
