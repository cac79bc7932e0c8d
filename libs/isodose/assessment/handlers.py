"""A decision made again because a record or the day changed: stored, published, and told to the others.

One transaction holds all of it: the guidance row, the FHIR results and their Provenance, the withdrawal of
results no longer concluded, and the event.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import msgspec
import orjson

from isodose.assessment.decider import Decider, Decision, Resource, decide
from isodose.clinical import record as clinical_record
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.events.consumer import Handler
from isodose.storage.records import Guidance
from isodose.telemetry import current_traceparent
from isodose.work import Work

WITHDRAWN = {
    "CarePlan": "revoked",
    "DetectedIssue": "cancelled",
    "GuidanceResponse": "entered-in-error",
    "RequestGroup": "revoked",
    "ResearchStudy": "withdrawn",
    "RiskAssessment": "cancelled",
    "ServiceRequest": "revoked",
    "Task": "cancelled",
}
"""The status of a result that is no longer concluded, by type; other types stay as they are."""


def reassess(
    work: Work, decider: Decider, record: PatientRecord, on: dt.date, *, again: bool = False
) -> bool:
    """Decide again, store and publish. False, and nothing done, when a newer or the same decision is there.

    `again`: store and publish the same decision once more, because what is kept beside the record changed.
    A decision never goes back to an earlier day than the last one of the same patient.
    """
    last = work.guidance.get(decider.service, record.patient_id)
    if last is not None:
        on = max(on, last.on)
        asked = (record.version, on, decider.knowledge.version)
        same = asked == (last.record_version, last.on, last.knowledge_version)
        if last.record_version > record.version or (same and not again):
            return False
    decision = decide(decider, record, on)
    decision = replace(decision, resources=decider.carry(work, decision.resources, on))
    withdrawn = _withdraw(work, record.patient_id, decision)
    work.resources.put_results(decision.resources, record.patient_id)
    data = _event_data(decider, decision, withdrawn)
    work.guidance.put(
        Guidance(
            service=decider.service,
            patient_id=record.patient_id,
            record_version=record.version,
            knowledge_version=decider.knowledge.version,
            on=on,
            content=_concluded(decision),
            due_on=decider.next_change(record, decision.findings, on),
        )
    )
    event = contract.guidance(
        decider.event_type, decider.service, data, record.patient_id, current_traceparent()
    )
    work.outbox.add("isodose.guidance.v1", record.patient_id, event)
    return True


def on_record_changed(decider: Decider) -> Handler:
    """Handle `isodose.patient-record.changed`: keep the record and decide, unless a newer one is here."""

    def reassess_record(work: Work, event: contract.Event) -> None:
        record = clinical_record.decode(contract.data_of(event))
        work.records.lock(record.patient_id)
        if work.records.version(record.patient_id) > record.version:
            return
        work.records.put(record)
        reassess(work, decider, record, decider.today())

    return reassess_record


def on_day_started(decider: Decider) -> Handler:
    """Handle `isodose.day.started`: decide again where the answer may differ on that day.

    That is where it depends on the day, and where it was given with knowledge that has changed since.
    """

    def reassess_due(work: Work, event: contract.Event) -> None:
        day = msgspec.json.decode(bytes(event.data), type=contract.DayStarted).on
        due = set(work.guidance.due(decider.service, day))
        due |= set(work.guidance.decided_otherwise(decider.service, decider.knowledge.version))
        work.records.lock(*due)
        for patient_id in sorted(due):
            record = work.records.get(patient_id)
            if record is not None:
                reassess(work, decider, record, day)

    return reassess_due


def _withdraw(work: Work, patient_id: str, decision: Decision) -> list[Resource]:
    """Give the results that are no longer concluded their final status, and return them."""
    produced = {(r["resourceType"], r["id"]) for r in decision.resources}
    withdrawn: list[Resource] = []
    for stored in work.resources.results_of(patient_id):
        status = WITHDRAWN.get(stored.type)
        if status is None or stored.deleted or (stored.type, stored.id) in produced:
            continue
        resource = orjson.loads(stored.body)
        resource.pop("meta", None)
        if resource.get("status") != status:
            resource["status"] = status
            work.resources.put_result(resource, patient_id)
        withdrawn.append(resource)
    return withdrawn


def _concluded(decision: Decision) -> str:
    content = {"findings": decision.findings, "options": decision.options}
    return msgspec.json.encode(content, order="deterministic").decode()


def _event_data(decider: Decider, decision: Decision, withdrawn: list[Resource]) -> dict[str, Any]:
    return {
        "patientId": decision.record.patient_id,
        "service": decider.service,
        "recordVersion": decision.record.version,
        "knowledgeVersion": decider.knowledge.version,
        "on": decision.on,
        "findings": decision.findings,
        "options": decision.options,
        "resources": decision.resources + withdrawn,
    }
