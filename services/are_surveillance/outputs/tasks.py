"""Open work as FHIR Tasks, each with the role that owns it and the day by which it is due.

https://hl7.org/fhir/R4/task.html: `restriction.period` is when it is wanted and by when it is done. Where no
source and no local policy gives that day, the period says that its end is not known.
"""

from __future__ import annotations

from are_surveillance.outputs.identity import Identities, Resource
from are_surveillance.outputs.orders import sourced
from are_surveillance.todo import OWNER, TITLE, Todo
from are_surveillance.workup.states import STATE_NAME
from isodose.clinical.knowledge import Knowledge


def task(todo: Todo, known: Identities, knowledge: Knowledge) -> Resource:
    """One piece of open work as a proposed Task."""
    made: Resource = {
        "resourceType": "Task",
        **known.of(todo.key),
        "status": "requested",
        "businessStatus": _business_status(todo, known),
        "intent": "proposal",
        "priority": "urgent" if todo.urgent else "routine",
        "code": {"coding": [known.code("task-kind", todo.kind)], "text": TITLE[todo.kind]},
        "description": todo.text,
        "for": known.subject,
        "performerType": [{"text": OWNER[todo.kind]}],
    }
    if todo.slot_key and todo.kind != "decide-imaging":
        made["focus"] = known.to("ServiceRequest", f"mri/{todo.slot_key}")
    elif "/" in todo.about:
        made["focus"] = {"reference": todo.about}
    made["restriction"] = {"period": _period(todo)}
    notes = [*todo.notes, *(sourced(code, knowledge) for code in todo.codes)]
    if notes:
        made["note"] = [{"text": note} for note in notes]
    return made


def _business_status(todo: Todo, known: Identities) -> Resource:
    """The kind of work, and where a work-up stands."""
    codings = [known.code("task-kind", todo.kind)]
    if todo.state:
        name = next(text for state, text in STATE_NAME.items() if state == todo.state)
        codings.append(known.code("workup-state", todo.state, name))
    if todo.step:
        codings.append(known.code("workup-step", todo.step))
    return {"coding": codings, "text": TITLE[todo.kind]}


def _period(todo: Todo) -> Resource:
    end = todo.due or todo.last
    start = todo.first if end is None or todo.first is None or todo.first <= end else None
    days = {"start": start, "end": end}
    period: Resource = {name: day.isoformat() for name, day in days.items() if day}
    return period if end else period | {"_end": {"extension": [_UNKNOWN]}}


_UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
