"""Makes the cards of one call: what stands on them, with facts, sources and the draft order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from are_surveillance.decision import SCHEDULE
from are_surveillance.outputs.orders import (
    SAFETY,
    asked_of_the_scan,
    before_the_scan,
    mri_order,
    order_notes,
)
from are_surveillance.schedule import Plan
from are_surveillance.todo import OWNER, TITLE, Todo
from are_surveillance.wording import kind
from isodose.cds_hooks.cards import OVERRIDE_REASONS, WARNING_REASONS, detail, escaped, shortened
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Action, Card, Coding, Indicator, Link, Source, Suggestion
from isodose.clinical import timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.fhir.resources import result_id

_ABOUT_A_SCAN = ("book", "due", "overdue", "lost", "decide-imaging")
_DANGERS = ("SUP-SAFE-no-mri", *SAFETY)
"""What a card is about where a scan must not be done as it is: no patient declines that."""
_SCANNED = (*_ABOUT_A_SCAN, "post-operative")


class Deck:
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
        met = {f.code: f for f in self._findings if f.verdict == "met"}
        return stated + [met[code] for code in plan.shortened_by if code in met]

    def card(self, todo: Todo, plan: Plan) -> Card:
        settle = before_the_scan(self._findings) if todo.kind in _SCANNED else []
        indicator: Indicator = "warning" if todo.urgent or settle else "info"
        shown = self.of_plan(plan) if todo.kind in _ABOUT_A_SCAN else self._of_todo(todo)
        done_by = [f"Done by: {OWNER[todo.kind]}{f', until {todo.due}' if todo.due else ''}."]
        made = self.about(
            todo.key,
            summary=todo.headline or todo.text,
            indicator=indicator,
            code=todo.codes[0] if todo.codes else SCHEDULE,
            shown=shown,
            said=[*settle, todo.text, *todo.notes] if settle or todo.notes else [],
            notes=done_by,
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
        said: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> Card:
        """A card: `said` stands first, line by line, then the findings `shown`, then the `notes`."""
        unread = [f"Not everything could be read: {', '.join(self._call.unavailable)}."]
        below = [*notes, *self._cautions(shown), *(unread if self._call.unavailable else [])]
        links = (
            (Link(label="Open in the worklist", url=self._call.worklist_url),)
            if self._call.worklist_url
            else ()
        )
        return Card(
            uuid=uuid.UUID(result_id(f"{self._call.hook_instance}/{self._call.service}/{name}")),
            summary=shortened(summary),
            indicator=indicator,
            detail="\n\n".join(filter(None, [_listed(said), detail(shown, below, self._knowledge)])),
            source=Source(
                label="Isodose: surveillance after radiosurgery",
                topic=Coding(system=f"{self._base}/CodeSystem/catalogue", code=code),
            ),
            override_reasons=WARNING_REASONS if code in _DANGERS else OVERRIDE_REASONS,
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
            todo.kind not in ("book", "due", "overdue", "lost")
            or place is None
            or place.arranged
            or plan.anchor is None
        ):
            return
        first, last = place.slot.window.earliest, place.slot.window.latest
        late = todo.kind in ("overdue", "lost")
        if late:
            slack = self._knowledge.values("SUP-SURV-overdue", self._call.on)["slack_weeks"]
            first, last = self._call.on, timeline.weeks_after(self._call.on, slack)
        why = f"Surveillance after {kind(plan.anchor.course)} that ended on {plan.anchor.day}"
        notes = [*order_notes(place, plan, self._knowledge), *asked_of_the_scan(self._findings)]
        order = mri_order(self._call.patient_id, first, last, why, notes)
        order["priority"] = "urgent" if late else "routine"
        label = f"Propose brain MRI with contrast, {first} to {last}"
        yield Suggestion(
            label=label,
            uuid=uuid.UUID(result_id(f"{self._call.hook_instance}/{todo.key}/order")),
            is_recommended=True,
            actions=(Action(type="create", description=TITLE[todo.kind], resource=order),),
        )


def _listed(said: Sequence[str]) -> str:
    """The first line by itself, the others as a list."""
    if not said:
        return ""
    first, *others = (escaped(line) for line in said)
    return "\n\n".join(filter(None, [first, "\n".join(f"- {line}" for line in others)]))
