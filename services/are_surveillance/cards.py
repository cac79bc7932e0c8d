"""What the clinic sees while it looks at a patient or books a scan: one card per thing to act on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from are_surveillance.booking import proposed_brain_mri
from are_surveillance.decision import SCHEDULE, SHORTEN, decide, plan_of
from are_surveillance.open_work import TITLE, Todo, open_work
from are_surveillance.outputs import mri_order, order_notes
from are_surveillance.schedule import Plan, fit
from are_surveillance.wording import kind
from isodose.cds_hooks.cards import OVERRIDE_REASONS, detail, shortened
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Action, Card, Coding, Indicator, Link, Source, Suggestion
from isodose.clinical import timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.fhir.resources import result_id
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
    findings, plan = _decided(call, knowledge)
    if plan.status == "ended":
        return []
    todos = open_work(plan, findings, knowledge, call.on)
    deck = _Deck(call, knowledge, base, findings)
    made = [deck.card(todo, plan) for todo in todos if todo.kind != "question"]
    questions = [todo for todo in todos if todo.kind == "question"]
    return [*made, *([deck.questions(questions)] if questions else [])]


def booking_cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """A card for each proposed brain MRI that lies outside the window it would close."""
    findings, plan = _decided(call, knowledge)
    if plan.status != "active" or plan.active is None:
        return []
    deck = _Deck(call, knowledge, base, findings)
    found = []
    for proposed in proposed_brain_mri(call.appointments, call.resources):
        placed = fit(plan.places, proposed.day)
        if placed.inside:
            continue
        hedge = "" if proposed.sure else "If this is the surveillance brain MRI: "
        summary = f"{hedge}{proposed.day} is {placed.text}."
        indicator: Indicator = "info" if proposed.day < placed.place.overdue_from else "warning"
        found.append(
            deck.about(
                f"booking/{proposed.day}",
                summary=summary,
                indicator=indicator,
                code=SCHEDULE,
                shown=deck.of_plan(plan),
            )
        )
    return found


def _decided(call: HookCall, knowledge: Knowledge) -> tuple[list[Finding], Plan]:
    known = [resource for resource in call.resources if resource not in call.appointments]
    record = build_record(call.patient_id, known)
    findings = decide(record, knowledge, call.on)
    return findings, plan_of(record, findings, knowledge, call.on)


class _Deck:
    """Makes the cards of one call."""

    def __init__(self, call: HookCall, knowledge: Knowledge, base: str, findings: Sequence[Finding]) -> None:
        self._call = call
        self._knowledge = knowledge
        self._base = base
        self._findings = findings

    def of_plan(self, plan: Plan) -> list[Finding]:
        """The finding that states the plan, and the reason for a shorter interval where there is one."""
        about = plan.anchor.course.ref if plan.anchor else ""
        stated = [f for f in self._findings if f.code == SCHEDULE and f.applies_to == about][-1:]
        return stated + [f for f in self._findings if f.code == SHORTEN and f.verdict == "met"]

    def card(self, todo: Todo, plan: Plan) -> Card:
        indicator: Indicator = "warning" if todo.urgent else "info"
        scan = todo.kind in ("book", "due", "overdue", "decide-imaging")
        shown = self.of_plan(plan) if scan else self._of_todo(todo)
        made = self.about(
            todo.key,
            summary=todo.text,
            indicator=indicator,
            code=todo.codes[0] if todo.codes else SCHEDULE,
            shown=shown,
        )
        offered = tuple(self._orders(todo, plan))
        extra = {"suggestions": offered, "selection_behavior": "at-most-one"} if offered else {}
        return made.model_copy(update=extra)

    def questions(self, todos: Sequence[Todo]) -> Card:
        """What only the team can answer, on one card."""
        text = (
            todos[0].text if len(todos) == 1 else f"{len(todos)} points to confirm for the surveillance plan"
        )
        indicator: Indicator = "warning" if any(todo.urgent for todo in todos) else "info"
        notes = [f"{todo.about}: {todo.text}" for todo in todos]
        return self.about(
            "questions", summary=text, indicator=indicator, code=SCHEDULE, shown=[], notes=notes
        )

    def about(
        self,
        name: str,
        *,
        summary: str,
        indicator: Indicator,
        code: str,
        shown: Sequence[Finding],
        notes: Sequence[str] = (),
    ) -> Card:
        unread = [f"Not everything could be read: {', '.join(self._call.unavailable)}."]
        said = [*notes, *self._cautions(shown), *(unread if self._call.unavailable else [])]
        links = (
            (Link(label="Open in the worklist", url=self._call.worklist_url),)
            if self._call.worklist_url
            else ()
        )
        return Card(
            uuid=uuid.UUID(result_id(f"{self._call.hook_instance}/{self._call.service}/{name}")),
            summary=shortened(summary),
            indicator=indicator,
            detail=detail(shown, said),
            source=Source(
                label="Isodose: surveillance after radiosurgery",
                topic=Coding(system=f"{self._base}/CodeSystem/catalogue", code=code),
            ),
            override_reasons=OVERRIDE_REASONS,
            links=links,
        )

    def _of_todo(self, todo: Todo) -> list[Finding]:
        return [
            f
            for f in self._findings
            if f.code in todo.codes and f.verdict == "met" and f.applies_to in (todo.about, "")
        ]

    def _cautions(self, shown: Sequence[Finding]) -> list[str]:
        entries = [self._knowledge.entry(f.code) for f in shown]
        texts = [text for entry in entries for text in (entry.caution, entry.derived) if text]
        return list(dict.fromkeys(texts))

    def _orders(self, todo: Todo, plan: Plan) -> Iterator[Suggestion]:
        """The draft order, unless one is there already or MRI is contraindicated."""
        place = plan.active
        if (
            todo.kind not in ("book", "due", "overdue")
            or place is None
            or place.arranged
            or plan.anchor is None
        ):
            return
        first, last = place.slot.window.earliest, place.slot.window.latest
        if todo.kind == "overdue":
            slack = self._knowledge.values("SUP-SURV-overdue", self._call.on)["slack_weeks"]
            first, last = self._call.on, timeline.weeks_after(self._call.on, slack)
        why = f"Surveillance after {kind(plan.anchor.course)} that ended on {plan.anchor.day}"
        notes = order_notes(place, self._knowledge)
        order = mri_order(self._call.patient_id, first, last, why, notes)
        order["priority"] = "urgent" if todo.kind == "overdue" else "routine"
        label = f"Propose brain MRI with contrast, {first} to {last}"
        yield Suggestion(
            label=label,
            uuid=uuid.UUID(result_id(f"{self._call.hook_instance}/{todo.key}/order")),
            is_recommended=True,
            actions=(Action(type="create", description=TITLE[todo.kind], resource=order),),
        )
