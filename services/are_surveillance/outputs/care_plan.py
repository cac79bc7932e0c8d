"""The surveillance plan of one patient as a FHIR CarePlan that holds its orders, tasks and risks together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from are_surveillance.outputs.identity import Identities, Resource, references
from are_surveillance.outputs.orders import sourced
from are_surveillance.places import Place
from are_surveillance.schedule import Plan
from are_surveillance.wording import kind, plan_in_words
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.timeline import Window


def care_plan(plan: Plan, parts: Sequence[Resource], known: Identities, knowledge: Knowledge) -> Resource:
    """One CarePlan over all courses with its `parts`: orders, tasks and risks.

    It is on hold while the plan is paused, completed where the team has ended it, and a draft until windows
    are laid out.
    """
    orders, tasks, risks = (
        [part for part in parts if part["resourceType"] == kind_of]
        for kind_of in ("ServiceRequest", "Task", "RiskAssessment")
    )
    made: Resource = {
        "resourceType": "CarePlan",
        **known.of("plan"),
        "status": _status(plan),
        "intent": "proposal",
        "category": [{"text": "Surveillance after radiosurgery"}],
        "title": "Surveillance MRI after radiosurgery of brain metastases",
        "description": plan_in_words(plan),
        "subject": known.subject,
    }
    if plan.anchors.given:
        made["period"] = {"start": plan.anchors.given[0].day.isoformat()}
    courses = [a.course for a in plan.anchors.given]
    courses += [*plan.anchors.undated, *plan.anchors.ahead]
    about = [{"reference": f"RiskAssessment/{risk['id']}"} for risk in risks]
    if supporting := [*references([course.ref for course in courses]), *about]:
        made["supportingInfo"] = supporting
    if activity := [*_ordered(plan, orders, known), *_passed(plan), *_open(tasks)]:
        made["activity"] = activity
    if notes := list(_notes(plan, knowledge)):
        made["note"] = [{"text": note} for note in notes]
    return made


def _status(plan: Plan) -> str:
    if plan.status != "active":
        return "draft"
    if plan.pause is None:
        return "active"
    return "completed" if plan.pause.value == "ended" else "on-hold"


def _ordered(plan: Plan, orders: Sequence[Resource], known: Identities) -> Iterator[Resource]:
    states = {known.of(f"mri/{p.slot.key}")["id"]: _state(p) for p in plan.places}
    states |= {known.of(f"mri-after/{p.operation.ref}")["id"]: p.state for p in plan.postoperative}
    for order in orders:
        reference = {"reference": f"ServiceRequest/{order['id']}"}
        yield {"reference": reference, "progress": [{"text": states[order["id"]]}]}


def _state(place: Place) -> str:
    """As the plan has it; of a window whose scan came when it was overdue that it did."""
    done = place.slot.scan.on if place.slot.scan else None
    return "completed late" if done is not None and done >= place.overdue_from else place.state


def _passed(plan: Plan) -> Iterator[Resource]:
    """The windows that are over without a scan. They have no order any more, so each is told in the plan."""
    for slot in plan.passed:
        why = f"Surveillance after radiosurgery that ended on {slot.anchor.day}"
        yield _not_done(slot.window, f"Brain MRI wanted in this window. {why}.")
    for one in plan.postoperative:
        if one.state == "missed":
            yield _not_done(one.window, "Brain MRI wanted after the resection.")


def _not_done(window: Window, description: str) -> Resource:
    return {
        "detail": {
            "kind": "ServiceRequest",
            "status": "cancelled",
            "statusReason": {"text": "The window passed, and no scan in it is on record."},
            "scheduledPeriod": {"start": window.earliest.isoformat(), "end": window.latest.isoformat()},
            "description": description,
        }
    }


def _open(tasks: Sequence[Resource]) -> Iterator[Resource]:
    for task in tasks:
        yield {"reference": {"reference": f"Task/{task['id']}"}}


def _notes(plan: Plan, knowledge: Knowledge) -> Iterator[str]:
    """The courses, the scans outside every window, what to confirm, and what the intervals rest on."""
    for anchor in plan.anchors.given:
        role = "Windows count from this course" if anchor == plan.anchor else "Earlier course"
        yield f"{role}: {kind(anchor.course)}, ended {anchor.day} ({anchor.course.ref})."
    for course in plan.anchors.ahead:
        yield f"{kind(course)} is planned or under way ({course.ref}); its windows begin when it ends."
    for course in plan.anchors.other:
        yield f"{kind(course)} is on record ({course.ref}); it starts no windows of its own."
    for one in plan.postoperative:
        if one.state == "missed":
            yield (
                f"No MRI from {one.window.earliest} to {one.window.latest} after the resection is on record "
                f"({one.operation.ref}): later enhancement cannot be told from surgical change."
            )
    for outside in (*plan.outside, *plan.misplaced):
        yield f"{outside.scan.ref} of {outside.scan.on}: {outside.why}"
    for question in plan.questions:
        yield f"To confirm ({question.about}): {question.text}"
    for argument in plan.arguments:
        yield f"Beside the plan: {argument}"
    if plan.status == "active":
        yield sourced("SUP-SURV-guideline-table", knowledge)
        yield sourced("SUP-SURV-duration", knowledge)
