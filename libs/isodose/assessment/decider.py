"""What makes a decision service itself, and one decision with its FHIR resources: pure, nothing stored."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import ABOUT_NO_PATIENT, CREATED, result_id, result_key
from isodose.settings import CANONICAL_BASE
from isodose.work import Work

Resource = dict[str, Any]


def _never(_record: PatientRecord, _findings: list[Finding], _on: dt.date) -> dt.date | None:
    return None


def _no_state(_record: PatientRecord, _findings: list[Finding], _on: dt.date) -> str:
    return ""


Concluded = tuple[list[Option], list[Resource]]
Conclude = Callable[[PatientRecord, list[Finding], Knowledge, dt.date, str], Concluded]


def without_options(
    resources: Callable[[PatientRecord, list[Finding], Knowledge, dt.date, str], list[Resource]],
) -> Conclude:
    """What a service concludes that has no options: its resources alone."""

    def conclude(
        record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
    ) -> Concluded:
        return [], resources(record, findings, knowledge, on, base)

    return conclude


def _as_decided(_work: Work, resources: list[Resource], _on: dt.date) -> list[Resource]:
    return resources


@dataclass(frozen=True, kw_only=True)
class Decider:
    """What makes a decision service itself. All functions are pure but `carry`.

    `conclude(record, findings, knowledge, on, base)` gives the options, and R4 resources as dicts, each with
    an identifier of system `{base}/NamingSystem/result`; their Provenance is added here. `next_change` is the
    next day on which the answer may differ although the record does not. `today` is the decision day where
    none is told. `state` is a word for how the patient stands, by which patients are counted; empty for none.
    `carry(work, resources, on)` adds to the resources what is kept beside the record, such as what clinicians
    answered, before they are stored; it only reads.
    """

    service: str
    event_type: str
    knowledge: Knowledge
    decide: Callable[[PatientRecord, Knowledge, dt.date], list[Finding]]
    conclude: Conclude
    today: Callable[[], dt.date]
    next_change: Callable[[PatientRecord, list[Finding], dt.date], dt.date | None] = _never
    state: Callable[[PatientRecord, list[Finding], dt.date], str] = _no_state
    carry: Callable[[Work, list[Resource], dt.date], list[Resource]] = _as_decided
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
    """The decision with its FHIR resources, each with its id; none on a patient who was merged into another.
    Pure; stores nothing.
    """
    if record.replaced_by:
        return Decision(record, on, [], [], [])
    findings = decider.decide(record, decider.knowledge, on)
    options, concluded = decider.conclude(record, findings, decider.knowledge, on, decider.base)
    resources = [_with_id(resource) for resource in concluded]
    if resources:
        resources.append(provenance(decider, record, on, resources))
    return Decision(record, on, findings, options, resources)


def digest(decision: Decision) -> str:
    """SHA-256 of the findings and options: the same record, knowledge and day give the same one again."""
    said = msgspec.json.encode([decision.findings, decision.options], order="deterministic")
    return hashlib.sha256(said).hexdigest()


def _with_id(resource: Resource) -> Resource:
    key = result_key(resource)
    if key is None:
        raise ValueError(f"a {resource['resourceType']} result has no identifier of the result system")
    return resource | {"id": result_id(key)}


def provenance(decider: Decider, record: PatientRecord, on: dt.date, results: list[Resource]) -> Resource:
    """What the results rest on. R4 Provenance has no identifier: its id follows from service and patient."""
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
        "target": [
            {"reference": f"{result['resourceType']}/{result['id']}"}
            for result in results
            if result["resourceType"] not in ABOUT_NO_PATIENT
        ],
        "occurredDateTime": on.isoformat(),
        "recorded": f"{on.isoformat()}T00:00:00Z",
        "activity": {"coding": [CREATED], "text": "Decision by rules"},
        "agent": [{"who": {"display": f"Isodose {decider.service}"}}],
        "entity": used,
    }


def _source(system: str, value: str, display: str, base: str) -> Resource:
    identifier = {"system": f"{base}/NamingSystem/{system}", "value": value}
    return {"role": "source", "what": {"identifier": identifier, "display": display}}
