"""Alerts about bevacizumab, memantine with whole-brain radiotherapy, supplements, held systemic therapy."""

from __future__ import annotations

from collections.abc import Iterator

from ici_steroid_alerts.alert import Alert, involved, sources_of
from ici_steroid_alerts.situation import WHOLE_BRAIN, Situation
from isodose.clinical.finding import Finding
from isodose.clinical.record import Exposure

_BLEEDING = "DRUG-bevacizumab-bleeding"
_WOUND = "DRUG-bevacizumab-wound"
_COLOUR = "SUP-HOLD-bevacizumab-surgery"


def other_alerts(s: Situation) -> Iterator[Alert]:
    yield from _bevacizumab_around_surgery(s)
    yield from _bevacizumab_with_bleeding_risk(s)
    yield from _memantine(s)
    yield from _boswellia(s)
    yield from _held_systemic_therapy(s)
    yield from _vegfr_tki(s)


def _bevacizumab(exposure: Exposure) -> bool:
    return exposure.drug_class == "anti_vegf" and exposure.route in ("", "systemic")


def _bevacizumab_around_surgery(s: Situation) -> Iterator[Alert]:
    for colour in s.of(_COLOUR):
        if colour.value not in ("red", "amber"):
            continue
        ref = colour.applies_to
        wound = s.met(_WOUND, ref)
        red = colour.value == "red"
        findings = (wound, colour) if wound else (colour,)
        facts = ("days_from_bevacizumab_to_surgery", "days_from_surgery_to_bevacizumab")
        yield Alert(
            code=_WOUND if wound else _COLOUR,
            severity="high" if red else "low",
            title="Bevacizumab within 4 weeks of an operation: impaired wound healing"
            if red
            else "Operation 4 to 6 weeks after bevacizumab: some sources advise longer",
            findings=findings,
            implicated=involved(s.refs(_bevacizumab), (ref,), sources_of(findings, *facts)),
            about=ref,
            action=s.knowledge.entry(_WOUND if red else _COLOUR).action,
            interrupts=red,
            on_card=red,
            proposals=("without-bevacizumab",),
            drugs=("bevacizumab",),
        )


def _bevacizumab_with_bleeding_risk(s: Situation) -> Iterator[Alert]:
    drugs = s.refs(_bevacizumab)
    if not drugs:
        return
    anticoagulants = s.refs(lambda e: e.drug_class == "anticoagulant")
    finding = s.met(_BLEEDING)
    undecided = [f for f in s.of(_BLEEDING) if f.verdict == "unknown"]
    if finding is None and not (anticoagulants and undecided):
        return
    judged: Finding = finding or undecided[0]
    yield Alert(
        code=_BLEEDING,
        severity="high" if finding else "moderate",
        title="Bevacizumab with a bleeding risk" if finding else "Bevacizumab with an anticoagulant",
        findings=(judged,),
        implicated=involved(drugs, anticoagulants, sources_of((judged,), "haemorrhage_risk")),
        action=s.knowledge.entry(_BLEEDING).action,
        settled=finding is not None,
        interrupts=finding is not None,
        proposals=("without-bevacizumab",),
        drugs=s.concepts(lambda e: _bevacizumab(e) or e.drug_class == "anticoagulant"),
    )


def _memantine(s: Situation) -> Iterator[Alert]:
    """Whole-brain radiotherapy is ahead and no memantine is ordered."""
    if s.refs(lambda e: e.concept == "memantine"):
        return
    for finding in s.of("DRUG-memantine"):
        course = s.course_of(finding.applies_to)
        ahead = course is None or (course.kind in WHOLE_BRAIN and course.status in ("planned", "in-progress"))
        if finding.verdict == "met" and ahead:
            yield Alert(
                code=finding.code,
                severity="low",
                title="Whole-brain radiotherapy without memantine",
                findings=(finding,),
                implicated=involved((finding.applies_to,), sources_of((finding,), "modality")),
                about=finding.applies_to,
                action=finding.action,
                proposals=("memantine",),
            )


def _boswellia(s: Situation) -> Iterator[Alert]:
    if finding := s.met("DRUG-boswellia-otc"):
        yield Alert(
            code=finding.code,
            severity="low",
            title="Boswellia serrata is taken over the counter",
            findings=(finding,),
            implicated=sources_of((finding,), "otc_boswellia_use"),
            action=finding.action,
            on_card=False,
        )


def _held_systemic_therapy(s: Situation) -> Iterator[Alert]:
    for finding in s.of("TIME-systemic-withhold-harm"):
        if finding.verdict != "met":
            continue
        ref = finding.applies_to
        company = s.all_met("TIME-systemic-continue", "DRUG-continue-systemic", about=(ref,))
        facts = ("systemic_hold_days_for_local_therapy", "systemic_therapy_active")
        yield Alert(
            code=finding.code,
            severity="moderate",
            title="Systemic therapy is held for treatment of the brain",
            findings=(finding, *company),
            implicated=involved((ref,), sources_of((finding, *company), *facts)),
            about=ref,
            action=finding.action,
        )


def _vegfr_tki(s: Situation) -> Iterator[Alert]:
    """Only where a site has turned the entry on."""
    for finding in s.of("SUP-HOLD-vegfr-tki-surgery"):
        if finding.verdict == "met":
            yield Alert(
                code=finding.code,
                severity="moderate",
                title="VEGF-receptor TKI before surgery: hold as the label says",
                findings=(finding,),
                implicated=involved((finding.applies_to,), sources_of((finding,), "vegfr_tki_agent")),
                about=finding.applies_to,
                action=finding.action,
            )
