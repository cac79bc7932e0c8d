"""What the clinic sees while it looks at a patient or books a scan: one card per thing to act on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from are_surveillance.arrangements import fit
from are_surveillance.booking import Proposed, proposed_brain_mri
from are_surveillance.decision import SCHEDULE, decide, plan_of
from are_surveillance.deck import Deck
from are_surveillance.open_work import against_mri, open_work
from are_surveillance.outputs.orders import SAFETY, before_the_scan
from are_surveillance.schedule import Plan
from are_surveillance.wording import plan_in_words
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Card, Indicator
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.mcode import build_record

_PATIENT = "{{context.patientId}}"
PREFETCH = {
    "patient": Prefetch(f"Patient/{_PATIENT}", required=True),
    "procedures": Prefetch(f"Procedure?patient={_PATIENT}", required=True),
    "imagingStudies": Prefetch(f"ImagingStudy?patient={_PATIENT}"),
    "diagnosticReports": Prefetch(f"DiagnosticReport?patient={_PATIENT}"),
    "serviceRequests": Prefetch(f"ServiceRequest?patient={_PATIENT}"),
    "appointments": Prefetch(f"Appointment?patient={_PATIENT}"),
    "conditions": Prefetch(f"Condition?patient={_PATIENT}"),
    "observations": Prefetch(f"Observation?patient={_PATIENT}"),
    "bodyStructures": Prefetch(f"BodyStructure?patient={_PATIENT}"),
    "medicationRequests": Prefetch(f"MedicationRequest?patient={_PATIENT}"),
    "medicationAdministrations": Prefetch(f"MedicationAdministration?patient={_PATIENT}"),
    "encounters": Prefetch(f"Encounter?patient={_PATIENT}"),
    "episodesOfCare": Prefetch(f"EpisodeOfCare?patient={_PATIENT}"),
    "consents": Prefetch(f"Consent?patient={_PATIENT}"),
    "devices": Prefetch(f"Device?patient={_PATIENT}"),
    "allergies": Prefetch(f"AllergyIntolerance?patient={_PATIENT}"),
}


def services(knowledge: Knowledge, base: str) -> list[CdsService]:
    """`are-surveillance` on patient-view and `are-surveillance-booking` on appointment-book."""
    return [
        CdsService(
            id="are-surveillance",
            hook="patient-view",
            title="Surveillance after radiosurgery",
            description="The brain MRI due or overdue, open work-up, and what the plan needs confirmed.",
            prefetch=PREFETCH,
            answer=lambda call: cards(call, knowledge, base),
        ),
        CdsService(
            id="are-surveillance-booking",
            hook="appointment-book",
            title="Surveillance MRI inside its window",
            description="Whether the brain MRI being booked lies inside its surveillance window.",
            prefetch=PREFETCH,
            answer=lambda call: booking_cards(call, knowledge, base),
        ),
    ]


def cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """A card for each piece of open work, most pressing first; what is to be confirmed shares one."""
    record, findings, plan = _decided(call, knowledge)
    todos = open_work(record, plan, findings, knowledge, call.on)
    deck = Deck(call, knowledge, base, findings)
    made = [deck.card(todo, plan) for todo in todos if todo.kind != "question"]
    questions = [todo for todo in todos if todo.kind == "question"]
    return [*made, *([deck.questions(questions)] if questions else [])]


def booking_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """What speaks against a brain MRI that is being booked, and a card for each that misses its window."""
    _, findings, plan = _decided(call, knowledge)
    proposals = list(proposed_brain_mri(call.appointments, call.resources))
    if not proposals:
        return []
    deck = Deck(call, knowledge, base, findings)
    return [*_against_booking(plan, findings, deck), *_outside(plan, deck, proposals)]


def _against_booking(plan: Plan, findings: Sequence[Finding], deck: Deck) -> Iterator[Card]:
    """MRI is held back, contrast or MRI has to be checked first, or nobody is to be scanned at present."""
    checks = [question.text for question in plan.questions if question.code == "mri-safety"]
    if plan.mri_contraindicated is not None:
        checks.insert(0, against_mri(plan.mri_contraindicated))
    settle = before_the_scan(findings)
    if settle:
        yield deck.about(
            "booking/contrast",
            summary=settle[0],
            indicator="warning",
            code=next(code for code in SAFETY if code in settle[0]),
            shown=[],
            notes=settle,
        )
    if checks:
        indicator: Indicator = "warning" if plan.mri_contraindicated else "info"
        yield deck.about(
            "booking/mri-safety",
            summary=checks[0],
            indicator=indicator,
            code="SUP-SAFE-no-mri",
            shown=[],
            notes=checks,
        )
    if plan.pause is not None and plan.status == "active":
        text = plan_in_words(plan)
        yield deck.about(
            "booking/pause", summary=text, indicator="info", code=SCHEDULE, shown=[], notes=[text]
        )


def _outside(plan: Plan, deck: Deck, proposals: Sequence[Proposed]) -> Iterator[Card]:
    """A proposal for several days misses the window where none of them lies inside."""
    if plan.status != "active" or plan.active is None or plan.pause is not None:
        return
    for proposed in proposals:
        placed = fit(plan.places, proposed.day, proposed.until)
        if placed.inside:
            continue
        hedge = "" if proposed.sure else "If this is the surveillance brain MRI: "
        indicator: Indicator = "info" if proposed.day < placed.place.overdue_from else "warning"
        yield deck.about(
            f"booking/{proposed.text}",
            summary=f"{hedge}{proposed.text} is {placed.text}.",
            indicator=indicator,
            code=SCHEDULE,
            shown=deck.of_plan(plan),
        )


def _decided(call: HookCall, knowledge: Knowledge) -> tuple[PatientRecord, list[Finding], Plan]:
    known = [resource for resource in call.resources if resource not in call.appointments]
    record = build_record(call.patient_id, known)
    findings = decide(record, knowledge, call.on)
    return record, findings, plan_of(record, findings, knowledge, call.on)
