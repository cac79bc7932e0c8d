"""The two CDS services, and the cards with the options when a chart is opened."""

from __future__ import annotations

from collections.abc import Sequence

from eligibility_scoring.card import PROPOSES, card, not_available
from eligibility_scoring.decision import decide
from eligibility_scoring.options import leading, options
from eligibility_scoring.outputs import in_order, wanted
from eligibility_scoring.review_cards import review_cards
from eligibility_scoring.trials.card import with_trials_in_brief
from isodose.cds_hooks.cards import detail, escaped, fact_words
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Card
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
_SHOWN_FINDINGS = 5
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
            description="Fractionation, number of metastases, sequence and condition, for a draft order.",
            prefetch=PREFETCH,
            answer=review_order,
            usage_requirements=_USAGE,
        ),
    ]


def option_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """The leading option, or what is missing to name one; nothing where no brain metastasis is on record."""
    record = build_record(call.patient_id, list(call.resources))
    if record.deceased or not _has_brain_metastases(record):
        return []
    findings = decide(record, knowledge, call.on)
    judged = options(findings, knowledge, record)
    lead = leading(judged)
    made = _leading(call, lead, judged, findings, base) if lead else _undecided(call, judged, base)
    return [with_trials_in_brief(made, call, record, judged)]


def _has_brain_metastases(record: PatientRecord) -> bool:
    """Something of this patient's record is about brain metastases."""
    names = {fact.name for fact in record.facts}
    return bool(names & _ABOUT_METASTASES or record.of_scope("lesion"))


def _leading(
    call: HookCall, lead: Option, judged: Sequence[Option], findings: Sequence[Finding], base: str
) -> Card:
    deciding = [f for code in lead.for_ for f in findings if f.code == code and f.verdict == "met"]
    against = [f for code in lead.against for f in findings if f.code == code and f.verdict == "met"]
    shown = [*deciding[:_SHOWN_FINDINGS], *against[:_SHOWN_FINDINGS]]
    lesions = f" for {len(lead.applies_to)} lesions" if len(lead.applies_to) > 1 else ""
    parts = [f"**Options**\n\n{_table(judged)}", detail(shown, _notes(call, judged))]
    grave = lead.code == "best-supportive-care" or bool(against)
    return card(
        call,
        code=lead.code,
        summary=f"{lead.title}{lesions}: {lead.standing}",
        text="\n\n".join(parts),
        indicator="warning" if grave else "info",
        base=base,
    )


def _undecided(call: HookCall, judged: Sequence[Option], base: str) -> Card:
    missing = wanted(judged)
    names = "\n".join(f"- {escaped(fact_words(name))} ({escaped(name)})" for name in missing)
    notes = "\n\n".join(f"> {escaped(note)}" for note in _notes(call, ()))
    return card(
        call,
        code="data-required",
        summary=f"No treatment option can be named yet: {len(missing)} facts are not known",
        text="\n\n".join(
            (f"Not known, most decisive first:\n{names}", f"**Options**\n\n{_table(judged)}", notes)
        ),
        indicator="warning",
        base=base,
    )


def _table(judged: Sequence[Option]) -> str:
    rows = "\n".join(f"| {escaped(o.title)} | {escaped(_standing(o))} |" for o in in_order(judged))
    return f"| option | standing |\n| --- | --- |\n{rows}"


def _standing(option: Option) -> str:
    return f"unknown ({' or '.join(option.possible)})" if option.possible else option.standing


def _notes(call: HookCall, judged: Sequence[Option]) -> list[str]:
    notes = not_available(call)
    missing = wanted(judged)
    if missing:
        words = "; ".join(fact_words(name) for name in missing[:_SHOWN_FINDINGS])
        notes.append(f"Options stay undecided for want of: {words}.")
    return [*notes, PROPOSES]
