"""What was concluded on a stored record, where it is what would be concluded on the day that is asked for."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from isodose.assessment.decider import Decider, Decision, provenance
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import ABOUT_NO_PATIENT
from isodose.work import Work


def standing(work: Work, decider: Decider, record: PatientRecord, on: dt.date) -> Decision | None:
    """The stored resources about the patient, in the order in which they were concluded, without findings;
    None where the answer may be another one since, or nothing was concluded.
    """
    last = work.guidance.get(decider.service, record.patient_id)
    asked = (record.version, decider.knowledge.version)
    if last is None or (last.record_version, last.knowledge_version) != asked:
        return None
    if on < last.on or (last.due_on is not None and on >= last.due_on):
        return None
    kept = {stored.reference: stored.resource() for stored in work.resources.results_of(record.patient_id)}
    told = next((one for one in kept.values() if one["resourceType"] == "Provenance"), None)
    if told is None:
        return None
    named = [target["reference"] for target in told.get("target", ())]
    found = [kept[reference] for reference in named if reference in kept]
    made = {name: value for name, value in told.items() if name != "meta"}
    if made != provenance(decider, record, last.on, found):
        return None
    return Decision(record, on, [], [], [*found, told])


def of_the_patient(decision: Decision) -> Decision:
    """A decision as far as its resources are about the patient."""
    own = [one for one in decision.resources if one["resourceType"] not in ABOUT_NO_PATIENT]
    return replace(decision, findings=[], options=[], resources=own)
