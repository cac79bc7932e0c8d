"""Alerts about antibody-drug conjugates, BRAF and MEK inhibitors around radiosurgery."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ici_steroid_alerts.alert import Alert, Proposal, involved, sources_of
from ici_steroid_alerts.situation import SRS, Situation
from isodose.clinical.derive.drugs import is_conjugate
from isodose.clinical.finding import Finding, Severity
from isodose.clinical.record import Exposure

_CONJUGATES = {
    "DRUG-tdm1-srs": "Trastuzumab emtansine around SRS: neurotoxicity and symptomatic radiation effects",
    "DRUG-tdxd-srs": "Trastuzumab deruxtecan around SRS: series disagree on symptomatic radiation effects",
    "DRUG-sacituzumab-srs": "Sacituzumab govitecan around SRS: more radiation effects in a pooled study",
    "DRUG-adc-srs": "Antibody-drug conjugate around SRS: more symptomatic radiation effects",
}
_CONJUGATE_COMPANY = (
    "DRUG-adc-srs",
    "SUP-HOLD-adc",
    "SUP-HOLD-tdm1",
    "SUP-HOLD-tdxd",
    "ARE-RISK-tdxd-disputed",
    "ARE-RISK-her2-adc",
)
_BRAF_COMPANY = (
    "DRUG-brafi-srs",
    "ARE-RISK-braf-inhibitor",
    "SUP-HOLD-braf-mek-srs",
    "SUP-HOLD-braf-mek-fractionated",
)


def targeted_alerts(s: Situation) -> Iterator[Alert]:
    """One alert per kind of drug, and only while SRS is ahead, under way or just given."""
    around = _srs_around(s)
    if around:
        yield from _conjugate(s, around)
        yield from _braf_or_mek(s, around)


def _srs_around(s: Situation) -> tuple[str, ...]:
    """Radiosurgery near the day: courses, and plans that are only stated."""
    courses = [c.ref for c in s.courses_around(SRS)]
    plans = [
        plan.ref
        for plan in s.record.of_scope("plan")
        if s.course_of(plan.ref) is None and any(f.name == "modality" and f.value in SRS for f in plan.facts)
    ]
    return involved(courses, plans) or (("",) if any(_nameless_srs(s)) else ())


def _nameless_srs(s: Situation) -> Iterator[bool]:
    for plan in s.record.of_scope("plan"):
        if not plan.ref and any(f.name == "modality" and f.value in SRS for f in plan.facts):
            yield True


def _conjugate(s: Situation, around: tuple[str, ...]) -> Iterator[Alert]:
    for code, title in _CONJUGATES.items():
        finding = s.met(code)
        if finding is not None:
            severity: Severity = "high" if code == "DRUG-tdm1-srs" else "moderate"
            yield _alert(
                s,
                finding,
                title=title,
                severity=severity,
                around=around,
                company=_CONJUGATE_COMPANY,
                drugs=is_conjugate,
                proposals=("board",),
            )
            return


def _braf_or_mek(s: Situation, around: tuple[str, ...]) -> Iterator[Alert]:
    for code, title in (
        ("DRUG-vemurafenib-srs", "Vemurafenib around SRS: the strongest radiosensitiser of its class"),
        ("DRUG-brafi-srs", "BRAF inhibitor around SRS: studies disagree on adverse radiation effects"),
        ("SUP-HOLD-braf-mek-srs", "BRAF or MEK inhibitor held for less than a day around SRS"),
        ("SUP-HOLD-braf-mek-fractionated", "BRAF or MEK inhibitor held for less than three days around FSRS"),
    ):
        finding = s.met(code)
        if finding is not None:
            yield _alert(
                s,
                finding,
                title=title,
                severity="moderate",
                around=around,
                company=_BRAF_COMPANY,
                drugs=lambda e: e.drug_class in ("braf_inhibitor", "mek_inhibitor"),
                proposals=("hold", "board"),
            )
            return


def _alert(
    s: Situation,
    finding: Finding,
    *,
    title: str,
    severity: Severity,
    around: tuple[str, ...],
    company: tuple[str, ...],
    drugs: Callable[[Exposure], bool],
    proposals: tuple[Proposal, ...],
) -> Alert:
    also = tuple(f for f in s.all_met(*company, about=around) if f != finding)
    facts = ("antibody_drug_conjugate_agent", "antibody_drug_conjugate_active", "braf_inhibitor_active")
    return Alert(
        code=finding.code,
        severity=severity,
        title=title,
        findings=(finding, *also),
        implicated=involved(s.refs(drugs), around, sources_of((finding,), *facts)),
        action=finding.action,
        interrupts=severity == "high",
        proposals=proposals,
        drugs=s.concepts(drugs),
    )
