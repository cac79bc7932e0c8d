"""The two CDS services, and the cards with the options when a chart is opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from eligibility_scoring import option_text
from eligibility_scoring.card import PROPOSES, card, not_available
from eligibility_scoring.decision import decide
from eligibility_scoring.dosing.outputs import Doses
from eligibility_scoring.options import Appraisal
from eligibility_scoring.review_cards import review_cards
from eligibility_scoring.trials.card import with_trials_in_brief
from isodose.cds_hooks.cards import escaped
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Card
from isodose.clinical import facts
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.mcode import build_record

_PATIENT = "{{context.patientId}}"
PREFETCH = {
    "patient": Prefetch(f"Patient/{_PATIENT}", required=True),
    "conditions": Prefetch(f"Condition?patient={_PATIENT}"),
    "observations": Prefetch(f"Observation?patient={_PATIENT}"),
    "lesions": Prefetch(f"BodyStructure?patient={_PATIENT}"),
    "procedures": Prefetch(f"Procedure?patient={_PATIENT}"),
    "serviceRequests": Prefetch(f"ServiceRequest?patient={_PATIENT}"),
    "medicationRequests": Prefetch(f"MedicationRequest?patient={_PATIENT}"),
}
_USAGE = "Prefetch what the EHR holds; a key given as null means that there is none."
_ABOUT_METASTASES = {
    "lesion_count",
    "largest_diameter_cm",
    "largest_volume_ml",
    "citv_ml",
    "lmd_present",
    "intracranial_progression_type",
    "neuro_symptomatic",
}


def services(knowledge: Knowledge, base: str) -> list[CdsService]:
    """`srs-eligibility` on patient-view and `srs-order-review` on order-sign."""

    def show_options(call: HookCall) -> list[Card]:
        return option_cards(call, knowledge, base)

    def review_order(call: HookCall) -> list[Card]:
        return review_cards(call, knowledge, base)

    return [
        CdsService(
            id="srs-eligibility",
            hook="patient-view",
            title="Treatment options for brain metastases",
            description="Options with their standing and what is missing to decide.",
            prefetch=PREFETCH,
            answer=show_options,
            usage_requirements=_USAGE,
        ),
        CdsService(
            id="srs-order-review",
            hook="order-sign",
            title="Review of a draft radiosurgery or whole-brain order",
            description="Dose, fractionation, tolerance, sequence, timing and condition, for a draft order.",
            prefetch=PREFETCH,
            answer=review_order,
            usage_requirements=_USAGE,
        ),
    ]


def option_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """The leading option, or the fact to enter first while none can be told.

    Nothing where no brain metastasis is on record, and nothing where no treatment waits.
    """
    record = build_record(call.patient_id, list(call.resources))
    if record.deceased or not _has_brain_metastases(record):
        return []
    findings = decide(record, knowledge, call.on)
    appraisal = Appraisal(findings, knowledge, record)
    lead = appraisal.leading
    if lead is None and appraisal.nothing_waits:
        return []
    text = option_text.undecided if lead is None else partial(option_text.leading, lead)
    doses = Doses(record, appraisal.options, knowledge, call.on).in_brief(lead.code) if lead else ""
    made = card(
        call,
        code=lead.code if lead else "data-required",
        summary=_summary(lead, appraisal),
        text="\n\n".join(filter(None, (text(appraisal, findings, knowledge), doses, *_notes(call)))),
        indicator="warning" if lead is None or _grave(lead, findings) else "info",
        base=base,
    )
    return [with_trials_in_brief(made, call, record, appraisal.options)]


def _has_brain_metastases(record: PatientRecord) -> bool:
    """Something of this patient's record is about brain metastases."""
    names = {fact.name for fact in record.facts}
    return bool(names & _ABOUT_METASTASES or record.of_scope("lesion"))


def _summary(lead: Option | None, appraisal: Appraisal) -> str:
    if lead is not None:
        lesions = f" for {len(lead.applies_to)} lesions" if len(lead.applies_to) > 1 else ""
        return f"{lead.title}{lesions}: {lead.standing}"
    if appraisal.missing:
        return f"No option leads yet. Enter first: {facts.words(appraisal.missing[0].name)}"
    return "No option leads: none is advised on what is known. Take the case to the board"


def _grave(lead: Option, findings: Sequence[Finding]) -> bool:
    met = {finding.code for finding in findings if finding.verdict == "met"}
    return lead.code == "best-supportive-care" or not met.isdisjoint(lead.against)


def _notes(call: HookCall) -> list[str]:
    return [f"> {escaped(note)}" for note in (*not_available(call), PROPOSES)]
