"""Proposed MRI orders: one for each window of the plan, each with why it lies there."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence

from are_surveillance.outputs.identity import Identities, Resource, references
from are_surveillance.places import Place
from are_surveillance.postoperative import Postoperative
from are_surveillance.schedule import Plan
from are_surveillance.windows import REPEAT
from isodose.clinical import timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.terminology import value_set

SAFETY = ("SUP-SAFE-gadolinium", "SUP-SAFE-pregnancy")
"""Entries that, where met, have to be settled before the scan."""
ASKED = ("ARE-DX-surveillance-cavity-lmd", "ARE-DX-perfusion-baseline", *SAFETY)
"""Entries that, where met, ask something of whoever does or reads the scan."""


def asked_of_the_scan(findings: Sequence[Finding], codes: Sequence[str] = ASKED) -> list[str]:
    """What the findings of `codes` ask of the scan, a sentence each."""
    met = {f.code: f for f in findings if f.code in codes and f.verdict == "met"}
    return [f"{met[code].summary} {met[code].action} ({code})" for code in codes if code in met]


def before_the_scan(findings: Sequence[Finding]) -> list[str]:
    """What has to be settled before a scan with contrast, a sentence each."""
    return asked_of_the_scan(findings, SAFETY)


def orders(
    plan: Plan, findings: Sequence[Finding], known: Identities, knowledge: Knowledge
) -> list[Resource]:
    """The orders of all windows that were closed or are open; none open while MRI is contraindicated or the
    plan is paused.
    """
    asked = [{"text": text} for text in asked_of_the_scan(findings)]
    held = plan.mri_contraindicated is not None or plan.pause is not None
    following = [place.slot.window.earliest for place in plan.places[1:]]
    made = [
        _order(place, after, plan, known, knowledge)
        for place, after in itertools.zip_longest(plan.places, following)
        if place.state == "completed" or (place.open and not held)
    ]
    for order in made:
        if order["status"] == "draft":
            order["note"] = [*order["note"], *asked]
    return [*made, *(o for one in plan.postoperative for o in _after_operation(one, held, known, knowledge))]


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


def order_notes(place: Place, plan: Plan, knowledge: Knowledge) -> list[str]:
    """Why the window lies there, when within it is best, and what the scan should hold."""
    window, allowed = place.slot.window, place.slot.allowed
    best = f"Best by {window.target}. " if window.target != window.latest else ""
    moved = (
        f" Moved to working days from {allowed.earliest} to {allowed.latest}." if window != allowed else ""
    )
    sooner = [
        sourced(code, knowledge) for code in plan.shortened_by if place.slot.basis == "SUP-SURV-shorten"
    ]
    return [
        f"{best}Counted from {place.slot.since}.{moved} {sourced(place.slot.basis, knowledge)}",
        *(f"Sooner because: {reason}" for reason in sooner),
        sourced("SUP-SURV-protocol", knowledge),
    ]


def sourced(code: str, knowledge: Knowledge) -> str:
    """An entry's statement with its strength, its id, and whether a source awaits sign-off."""
    entry = knowledge.entry(code)
    awaits = any(source.seen == "memory" for source in entry.evidence)
    sign_off = "; a source awaits clinical sign-off" if awaits else ""
    return f"{entry.statement} ({code}: {entry.strength.replace('_', ' ')}{sign_off})"


def _order(
    place: Place, following: dt.date | None, plan: Plan, known: Identities, knowledge: Knowledge
) -> Resource:
    """An overdue window is asked for until the next one opens, so that no proposal lies in the past."""
    slot, window = place.slot, place.slot.window
    late = place.state in ("overdue", "lost")
    last = following - timeline.DAY if late and following else window.latest
    kind = "short-interval repeat" if slot.basis == REPEAT else f"scan {slot.number}"
    why = f"Surveillance after radiosurgery that ended on {slot.anchor.day}, {kind}"
    notes = order_notes(place, plan, knowledge)
    proposal = mri_order(known.patient_id, window.earliest, max(last, window.latest), why, notes)
    scan = slot.scan or place.arranged
    return {
        **proposal,
        **({"status": "completed"} if place.state == "completed" else {}),
        **({"priority": "urgent"} if late or (slot.basis == REPEAT and place.open) else {}),
        **known.of(f"mri/{slot.key}"),
        "basedOn": [known.to("CarePlan", "plan")],
        "supportingInfo": references([slot.anchor.course.ref, *([scan.ref] if scan else [])]),
    }


def _after_operation(
    one: Postoperative, held: bool, known: Identities, knowledge: Knowledge
) -> Iterator[Resource]:
    if one.state == "missed" or (held and one.state != "completed"):
        return
    why = f"After the resection on {one.window.earliest}"
    notes = [f"Best by {one.window.target}. {sourced('SUP-SURV-postop-mri', knowledge)}"]
    order = mri_order(known.patient_id, one.window.earliest, one.window.latest, why, notes)
    yield {
        **order,
        "status": "completed" if one.state == "completed" else "draft",
        "priority": "urgent",
        **known.of(f"mri-after/{one.operation.ref}"),
        "basedOn": [known.to("CarePlan", "plan")],
        "supportingInfo": references([one.operation.ref, *([one.scan.ref] if one.scan else [])]),
    }


def _mri_code() -> Resource:
    concept = value_set("brain_imaging").concepts["mri_brain_w_wo_contrast"]
    loinc = [
        {"system": "http://loinc.org", "code": code.code, "display": code.says}
        for code in concept.codes
        if code.system == "loinc"
    ]
    return {"coding": loinc, "text": concept.display}
