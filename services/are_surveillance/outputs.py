"""The plan as FHIR R4: one CarePlan, a proposed ServiceRequest for each MRI window, a Task for open work.

Every resource has a stable key, so that a new decision revises it: days passing never change a key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from are_surveillance.decision import plan_of
from are_surveillance.open_work import TITLE, Todo, open_work
from are_surveillance.schedule import Place, Plan
from are_surveillance.wording import kind, plan_in_words
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.clinical.terminology import value_set
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

OWNER = "Radiation oncology follow-up team"


def resources(
    record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
) -> list[Resource]:
    """CarePlan, ServiceRequests and Tasks; none without radiosurgery on record or after death."""
    plan = plan_of(record, findings, knowledge, on)
    todos = open_work(plan, findings, knowledge, on) if plan.status != "ended" else []
    if plan.status in ("none", "ended") and not todos:
        return []
    make = _Maker(record.patient_id, knowledge, base)
    orders = [make.order(place, plan) for place in plan.places if _is_ordered(place, plan)]
    tasks = [make.task(todo) for todo in todos]
    if plan.status in ("none", "ended"):
        return tasks
    return [make.care_plan(plan, orders, tasks), *orders, *tasks]


def mri_order(patient_id: str, first: dt.date, last: dt.date, why: str, notes: Sequence[str]) -> Resource:
    """A proposal for a brain MRI with contrast between two days; it has no id yet."""
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "category": [{"text": "Imaging"}],
        "priority": "routine",
        "code": _mri_code(),
        "subject": {"reference": f"Patient/{patient_id}"},
        "occurrencePeriod": {"start": first.isoformat(), "end": last.isoformat()},
        "reasonCode": [{"text": why}],
        "note": [{"text": note} for note in notes],
    }


def order_notes(place: Place, knowledge: Knowledge) -> list[str]:
    """Why the window lies there, when within it is best, and what the scan should hold."""
    window = place.slot.window
    best = f"Best by {window.target}. " if window.target != window.latest else ""
    return [
        f"{best}Counted from {place.slot.since}. {sourced(place.slot.basis, knowledge)}",
        sourced("SUP-SURV-protocol", knowledge),
    ]


def sourced(code: str, knowledge: Knowledge) -> str:
    """An entry's statement with its strength, its id, and whether a source awaits sign-off."""
    entry = knowledge.entry(code)
    awaits = any(source.seen == "memory" for source in entry.evidence)
    sign_off = "; a source awaits clinical sign-off" if awaits else ""
    return f"{entry.statement} ({code}: {entry.strength.replace('_', ' ')}{sign_off})"


def _is_ordered(place: Place, plan: Plan) -> bool:
    return place.state == "completed" or (place.open and not plan.mri_contraindicated)


def _mri_code() -> Resource:
    concept = value_set("brain_imaging").concepts["mri_brain_w_wo_contrast"]
    loinc = [
        {"system": "http://loinc.org", "code": code.code, "display": code.says}
        for code in concept.codes
        if code.system == "loinc"
    ]
    return {"coding": loinc, "text": concept.display}


class _Maker:
    """Builds the resources of one patient, each with its key."""

    def __init__(self, patient_id: str, knowledge: Knowledge, base: str) -> None:
        self._patient_id = patient_id
        self._knowledge = knowledge
        self._base = base

    def _identity(self, key: str) -> Resource:
        value = f"surveillance/{self._patient_id}/{key}"
        system = f"{self._base}/NamingSystem/result"
        return {"id": result_id(value), "identifier": [{"system": system, "value": value}]}

    def _reference(self, kind_of: str, key: str) -> Resource:
        return {"reference": f"{kind_of}/{self._identity(key)['id']}"}

    def order(self, place: Place, plan: Plan) -> Resource:
        slot = place.slot
        why = f"Surveillance after radiosurgery that ended on {slot.anchor.day}, scan {slot.number}"
        window = slot.window
        proposal = mri_order(
            self._patient_id, window.earliest, window.latest, why, order_notes(place, self._knowledge)
        )
        done = {"status": "completed"} if place.state == "completed" else {}
        urgent = {"priority": "urgent"} if place.state == "overdue" else {}
        scan = slot.scan or place.arranged
        about = [slot.anchor.course.ref, *([scan.ref] if scan else [])]
        return {
            **proposal,
            **done,
            **urgent,
            **self._identity(f"mri/{slot.key}"),
            "basedOn": [self._reference("CarePlan", "plan")],
            "supportingInfo": _references(about),
        }

    def task(self, todo: Todo) -> Resource:
        task: Resource = {
            "resourceType": "Task",
            **self._identity(todo.key),
            "status": "requested",
            "businessStatus": {"coding": [self._code("task-kind", todo.kind)], "text": TITLE[todo.kind]},
            "intent": "proposal",
            "priority": "urgent" if todo.urgent else "routine",
            "code": {"text": TITLE[todo.kind]},
            "description": todo.text,
            "for": {"reference": f"Patient/{self._patient_id}"},
            "performerType": [{"text": OWNER}],
        }
        if todo.slot_key and todo.kind != "decide-imaging":
            task["focus"] = self._reference("ServiceRequest", f"mri/{todo.slot_key}")
        elif "/" in todo.about:
            task["focus"] = {"reference": todo.about}
        days = {"start": todo.first, "end": todo.last}
        period = {name: day.isoformat() for name, day in days.items() if day}
        if period:
            task["restriction"] = {"period": period}
        if todo.codes:
            task["note"] = [{"text": sourced(code, self._knowledge)} for code in todo.codes]
        return task

    def care_plan(self, plan: Plan, orders: Sequence[Resource], tasks: Sequence[Resource]) -> Resource:
        care_plan: Resource = {
            "resourceType": "CarePlan",
            **self._identity("plan"),
            "status": "active" if plan.status == "active" else "draft",
            "intent": "proposal",
            "category": [{"text": "Surveillance after radiosurgery"}],
            "title": "Surveillance MRI after radiosurgery of brain metastases",
            "description": plan_in_words(plan),
            "subject": {"reference": f"Patient/{self._patient_id}"},
        }
        if plan.anchor:
            care_plan["period"] = {"start": plan.anchor.day.isoformat()}
        courses = [a.course for a in plan.anchors.given]
        courses += [*plan.anchors.undated, *plan.anchors.ahead]
        if references := _references([course.ref for course in courses]):
            care_plan["supportingInfo"] = references
        states = {self._identity(f"mri/{p.slot.key}")["id"]: p.state for p in plan.places}
        activity = [
            {
                "reference": {"reference": f"ServiceRequest/{order['id']}"},
                "progress": [{"text": states[order["id"]]}],
            }
            for order in orders
        ]
        activity += [{"reference": {"reference": f"Task/{task['id']}"}} for task in tasks]
        if activity:
            care_plan["activity"] = activity
        if notes := list(_plan_notes(plan, self._knowledge)):
            care_plan["note"] = [{"text": note} for note in notes]
        return care_plan

    def _code(self, system: str, code: str) -> Resource:
        return {"system": f"{self._base}/CodeSystem/{system}", "code": code}


def _references(refs: Sequence[str]) -> list[Resource]:
    return [{"reference": ref} for ref in dict.fromkeys(refs) if "/" in ref]


def _plan_notes(plan: Plan, knowledge: Knowledge) -> Iterator[str]:
    """The courses, the scans outside every window, what to confirm, and what the intervals rest on."""
    for anchor in plan.anchors.given:
        role = "Windows count from this course" if anchor == plan.anchor else "Earlier course"
        yield f"{role}: {kind(anchor.course)}, ended {anchor.day} ({anchor.course.ref})."
    for course in plan.anchors.ahead:
        yield f"{kind(course)} is planned or under way ({course.ref}); its windows begin when it ends."
    for course in plan.anchors.other:
        yield f"{kind(course)} is on record ({course.ref}); it starts no windows of its own."
    for outside in (*plan.outside, *plan.misplaced):
        yield f"{outside.scan.ref} of {outside.scan.on}: {outside.why}"
    for question in plan.questions:
        yield f"To confirm ({question.about}): {question.text}"
    if plan.status == "active":
        yield sourced("SUP-SURV-guideline-table", knowledge)
        yield sourced("SUP-SURV-duration", knowledge)
