"""What the three decision services share around their pure `decide`: events, the day, results, `$assess`.

A service gives a `Decider`; `reassess` does everything of one decision in one transaction: the guidance row, the
FHIR results, their Provenance, the withdrawal of results no longer produced, and the event that tells the others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from isodose.clinical import record as clinical_record
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.events.consumer import Handler
from isodose.fhir.resources import result_id
from isodose.settings import CANONICAL_BASE
from isodose.storage.records import Guidance
from isodose.work import Work

Resource = dict[str, Any]

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
"""The status of a result that is no longer concluded, by type. Types without a status are left as they are."""


def _never(_record: PatientRecord, _findings: list[Finding], _on: dt.date) -> dt.date | None:
    return None


def _no_options(_findings: list[Finding], _knowledge: Knowledge, _record: PatientRecord) -> list[Option]:
    return []


@dataclass(frozen=True, kw_only=True)
class Decider:
    """What makes a decision service itself. All functions are pure.

    `resources(record, findings, knowledge, on, base)` gives R4 resources as dicts, each with an identifier of
    system `{base}/NamingSystem/result`; its Provenance is added here. `next_change` is the next day on which the
    answer may differ although the record does not. `today` is the decision day of what is not told a day.
    """

    service: str
    event_type: str
    knowledge: Knowledge
    decide: Callable[[PatientRecord, Knowledge, dt.date], list[Finding]]
    resources: Callable[[PatientRecord, list[Finding], Knowledge, dt.date, str], list[Resource]]
    today: Callable[[], dt.date]
    options: Callable[[list[Finding], Knowledge, PatientRecord], list[Option]] = _no_options
    next_change: Callable[[PatientRecord, list[Finding], dt.date], dt.date | None] = _never
    base: str = CANONICAL_BASE


@dataclass(frozen=True)
class Decision:
    """What was decided on one record on one day."""

    record: PatientRecord
    on: dt.date
    findings: list[Finding]
    options: list[Option]
    resources: list[Resource]


def decide(decider: Decider, record: PatientRecord, on: dt.date) -> Decision:
    """The decision with its FHIR resources, each with its id. Pure; stores nothing."""
    findings = decider.decide(record, decider.knowledge, on)
    resources = [
        _with_id(resource, decider.base)
        for resource in decider.resources(record, findings, decider.knowledge, on, decider.base)
    ]
    if resources:
        resources.append(_provenance(decider, record, on, resources))
    options = decider.options(findings, decider.knowledge, record)
    return Decision(record, on, findings, options, resources)


def reassess(work: Work, decider: Decider, record: PatientRecord, on: dt.date) -> bool:
    """Decide again, store and publish. False, and nothing done, when a newer or the same decision is there.

    A decision never goes back to an earlier day than the last one of the same patient.
    """
    last = work.guidance.get(decider.service, record.patient_id)
    if last is not None:
        on = max(on, last.on)
        asked = (record.version, on, decider.knowledge.version)
        if last.record_version > record.version or asked == (
            last.record_version,
            last.on,
            last.knowledge_version,
        ):
            return False
    decision = decide(decider, record, on)
    withdrawn = _withdraw(work, record.patient_id, decision)
    for resource in decision.resources:
        work.resources.put_result(resource)
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
    event = contract.guidance(decider.event_type, decider.service, data, record.patient_id)
    work.outbox.add("isodose.guidance.v1", record.patient_id, event)
    return True


def on_record_changed(decider: Decider) -> Handler:
    """Handle `isodose.patient-record.changed`: keep the record and decide, unless a newer one is here."""

    def reassess_record(work: Work, event: contract.Event) -> None:
        record = clinical_record.decode(bytes(event.data))
        work.records.lock(record.patient_id)
        if work.records.version(record.patient_id) > record.version:
            return
        work.records.put(record)
        reassess(work, decider, record, decider.today())

    return reassess_record


def on_day_started(decider: Decider) -> Handler:
    """Handle `isodose.day.started`: decide again for the patients whose answer may differ on that day."""

    def reassess_due(work: Work, event: contract.Event) -> None:
        day = msgspec.json.decode(bytes(event.data), type=contract.DayStarted).on
        due = list(work.guidance.due(decider.service, day))
        work.records.lock(*due)
        for patient_id in due:
            record = work.records.get(patient_id)
            if record is not None:
                reassess(work, decider, record, day)

    return reassess_due


def result_key(resource: Resource, base: str) -> str:
    """The stable key of a result: the value of its identifier of the result system."""
    found = resource.get("identifier", [])
    identifiers: Sequence[Resource] = [found] if isinstance(found, dict) else found
    for identifier in identifiers:
        if identifier.get("system") == f"{base}/NamingSystem/result":
            return str(identifier["value"])
    raise ValueError(f"a {resource['resourceType']} result has no identifier of {base}/NamingSystem/result")


def _with_id(resource: Resource, base: str) -> Resource:
    return resource if "id" in resource else resource | {"id": result_id(result_key(resource, base))}


def _provenance(decider: Decider, record: PatientRecord, on: dt.date, results: list[Resource]) -> Resource:
    """What the results rest on. R4 Provenance has no identifier; its id is derived from service and patient."""
    used = [
        _source("patient-record", f"{record.patient_id}/{record.version}", "record version", decider.base),
        _source(
            "knowledge", f"{decider.service}/{decider.knowledge.version}", "knowledge version", decider.base
        ),
        *({"role": "source", "what": {"reference": reference}} for reference in record.read),
    ]
    return {
        "resourceType": "Provenance",
        "id": result_id(f"{decider.service}/{record.patient_id}/provenance"),
        "target": [{"reference": f"{result['resourceType']}/{result['id']}"} for result in results],
        "occurredDateTime": on.isoformat(),
        "recorded": f"{on.isoformat()}T00:00:00Z",
        "activity": {"text": "Decision by rules"},
        "agent": [{"who": {"display": f"Isodose {decider.service}"}}],
        "entity": used,
    }


def _source(system: str, value: str, display: str, base: str) -> Resource:
    identifier = {"system": f"{base}/NamingSystem/{system}", "value": value}
    return {"role": "source", "what": {"identifier": identifier, "display": display}}


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
            work.resources.put_result(resource)
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
