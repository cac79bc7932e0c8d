"""What a card offers to order: real FHIR actions, as proposals that a clinician completes and signs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from ici_steroid_alerts.alert import Alert
from isodose.cds_hooks.hook import HookCall
from isodose.cds_hooks.models import Action, Suggestion
from isodose.clinical.terminology import codings, drugs, value_set, words_of
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def suggestions(alert: Alert, call: HookCall) -> tuple[Suggestion, ...]:
    """The suggestions of one card, in the order of the alert's proposals."""
    return tuple(_named(s, alert, call) for s in _of(alert, call))


def _of(alert: Alert, call: HookCall) -> Iterator[Suggestion]:
    for proposal in alert.proposals:
        if proposal == "memantine":
            yield _create("Order memantine with whole-brain radiotherapy", _memantine(call.patient_id))
        elif proposal == "glucose":
            yield _create("Order a glucose check", _glucose(call.patient_id))
        elif proposal == "taper":
            yield from _without_the_draft(alert, call)


def _without_the_draft(alert: Alert, call: HookCall) -> Iterator[Suggestion]:
    """Take a drafted steroid back, to be ordered anew at a lower dose or not at all."""
    for draft in call.drafts:
        ref = f"{draft['resourceType']}/{draft.get('id', '')}"
        is_steroid = ref in alert.implicated and draft["resourceType"] == "MedicationRequest"
        if is_steroid and _is_steroid(draft):
            action = Action(type="delete", description="Remove the drafted steroid order", resource_id=ref)
            yield Suggestion(label="Remove the drafted steroid and review its dose", actions=(action,))


def _is_steroid(draft: Resource) -> bool:
    concept = draft.get("medicationCodeableConcept")
    return any(d.concept.role == "corticosteroid" for d in drugs(codings(concept), words_of(concept)))


def _create(label: str, resource: Resource) -> Suggestion:
    return Suggestion(label=label, actions=(Action(type="create", description=label, resource=resource),))


def _memantine(patient_id: str) -> Resource:
    concept = value_set("supportive_drugs").concepts["memantine"]
    coding = [
        {"system": _RXNORM, "code": code.code, "display": concept.display}
        for code in concept.codes
        if code.system == "rxnorm"
    ]
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {"coding": coding, "text": concept.display},
        "subject": {"reference": f"Patient/{patient_id}"},
        "note": [{"text": "Dose and titration by the prescriber; begin with whole-brain radiotherapy."}],
    }


def _glucose(patient_id: str) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "2345-7",
                    "display": "Glucose [Mass/volume] in Serum or Plasma",
                }
            ],
            "text": "Glucose while on glucocorticoid",
        },
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def _named(suggestion: Suggestion, alert: Alert, call: HookCall) -> Suggestion:
    key = f"{call.hook_instance}/{call.service}/{alert.code}/{alert.about}/{suggestion.label}"
    return suggestion.model_copy(update={"uuid": uuid.UUID(result_id(key))})
