"""A decision made again because a record or the day changed: stored, published, and told to the others.

One transaction holds all of it: the guidance rows, the FHIR results and their Provenance, the withdrawal of
results no longer concluded, and the events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from isodose.assessment.decider import Decider, Decision, Resource, decide, digest
from isodose.assessment.withdrawal import because, reason
from isodose.clinical import record as clinical_record
from isodose.clinical.finding import conclusion
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.events.consumer import Handler
from isodose.fhir.resources import instant
from isodose.storage.records import Guidance
from isodose.telemetry import observing
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


@dataclass(frozen=True, slots=True)
class Due:
    """A record to decide on, for which day, and the trace that led here.

    `again`: store and publish the same decision once more, because what is kept beside the record changed.
    """

    record: PatientRecord
    on: dt.date
    traceparent: str | None = None
    again: bool = False


def reassess(work: Work, decider: Decider, due: Sequence[Due]) -> int:
    """Decide again for several patients, store and publish; for how many something was decided.

    Nothing is done for a patient on whom a decision on a newer record, or this very one, is there. A decision
    never goes back to an earlier day than the last one of the same patient.
    """
    last = work.guidance.get_many(decider.service, [one.record.patient_id for one in due])
    made = [
        (_decision(work, decider, one, on), one.traceparent)
        for one in due
        if (on := _day(decider, one, last.get(one.record.patient_id))) is not None
    ]
    if made:
        _keep(work, decider, made, last)
    return len(made)


def _day(decider: Decider, due: Due, last: Guidance | None) -> dt.date | None:
    """The day to decide for; None where there is nothing to decide."""
    if last is None:
        return due.on
    on = max(due.on, last.on)
    asked = (due.record.version, on, decider.knowledge.version)
    stands = (last.record_version, last.on, last.knowledge_version)
    same = asked == stands and not due.again
    return None if last.record_version > due.record.version or same else on


def _decision(work: Work, decider: Decider, due: Due, on: dt.date) -> Decision:
    with observing().deciding(due.traceparent) as verdicts:
        decision = decide(decider, due.record, on)
        verdicts += [finding.verdict for finding in decision.findings]
    return replace(decision, resources=decider.carry(work, decision.resources, on))


def _keep(
    work: Work,
    decider: Decider,
    made: Sequence[tuple[Decision, str | None]],
    last: Mapping[str, Guidance],
) -> None:
    withdrawn = _withdrawn(work, decider, [decision for decision, _ in made], last)
    told = {
        decision.record.patient_id: decision.resources + withdrawn[decision.record.patient_id]
        for decision, _ in made
    }
    decided = [_guidance(decider, decision) for decision, _ in made]
    at = instant(work.resources.clock())
    work.archive.keep(at, decided, (decision.record for decision, _ in made))
    work.resources.put_results(told)
    events = [
        _event(decider, decision, told[decision.record.patient_id], traceparent)
        for decision, traceparent in made
    ]
    work.guidance.put(*decided)
    work.outbox.add_all("isodose.guidance.v1", [(event.subject, event) for event in events])


def keep_knowledge(work: Work, decider: Decider) -> None:
    """Keep what the service decides with, so that each of its decisions can be made again."""
    known = decider.knowledge
    work.archive.keep_knowledge(decider.service, known.version, known.text())


def handlers(decider: Decider) -> dict[str, Handler]:
    """By topic, what makes every decision service decide again: a changed record, and a new day."""
    return {
        "isodose.patient-record.v1": on_record_changed(decider),
        "isodose.day-started.v1": on_day_started(decider),
    }


def on_record_changed(decider: Decider) -> Handler:
    """Handle `isodose.patient-record.changed`: keep the records and decide, unless newer ones are here."""

    def reassess_records(work: Work, events: Sequence[contract.Event]) -> None:
        newest: dict[str, Due] = {}
        for event in events:
            record = clinical_record.decode(contract.data_of(event))
            before = newest.get(record.patient_id)
            if before is None or before.record.version <= record.version:
                newest[record.patient_id] = Due(record, decider.today(), event.traceparent)
        work.records.lock(*newest)
        stored = work.records.versions(newest)
        due = [one for patient, one in newest.items() if stored.get(patient, 0) <= one.record.version]
        work.records.put(*(one.record for one in due))
        reassess(work, decider, due)

    return reassess_records


def on_day_started(decider: Decider) -> Handler:
    """Handle `isodose.day.started`: begin a pass over those whose answer may differ on that day.

    That is where it depends on the day, and where it was given with knowledge that has changed since. The
    `Renewal` goes through them.
    """

    def begin_pass(work: Work, events: Sequence[contract.Event]) -> None:
        for event in events:
            day = msgspec.json.decode(bytes(event.data), type=contract.DayStarted).on
            work.passes.begin(decider.service, day, decider.knowledge.version, event.traceparent)

    return begin_pass


def _withdrawn(
    work: Work, decider: Decider, decisions: Sequence[Decision], last: Mapping[str, Guidance]
) -> dict[str, list[Resource]]:
    """By patient, the stored results that are no longer concluded, in their final status, with the reason."""
    by_patient = {decision.record.patient_id: decision for decision in decisions}
    reasons: dict[str, str] = {}
    produced = {
        (resource["resourceType"], resource["id"])
        for decision in decisions
        for resource in decision.resources
    }
    found: dict[str, list[Resource]] = {decision.record.patient_id: [] for decision in decisions}
    for stored in work.resources.results_of(*found):
        status = WITHDRAWN.get(stored.type)
        if status is None or (stored.type, stored.id) in produced:
            continue
        resource = stored.resource()
        resource.pop("meta", None)
        patient = stored.patient_id or ""
        if resource.get("status") != status:
            decision = by_patient[patient]
            if patient not in reasons:
                reasons[patient] = _reason(work, decider, decision, last.get(patient))
            resource = because(resource | {"status": status}, reasons[patient], decision.on)
        found[patient].append(resource)
    return found


def _reason(work: Work, decider: Decider, decision: Decision, last: Guidance | None) -> str:
    """What differs from the last decision; its record is read only where a result is withdrawn."""
    if last is None:
        return reason(None, decision.record, (decision.on, decision.on), anew=False)
    before = work.archive.record(last.patient_id, last.record_version)
    anew = last.knowledge_version != decider.knowledge.version
    return reason(before, decision.record, (last.on, decision.on), anew=anew)


def _guidance(decider: Decider, decision: Decision) -> Guidance:
    is_used = not decision.record.replaced_by
    return Guidance(
        service=decider.service,
        patient_id=decision.record.patient_id,
        record_version=decision.record.version,
        knowledge_version=decider.knowledge.version,
        on=decision.on,
        digest=digest(decision),
        due_on=decider.next_change(decision.record, decision.findings, decision.on) if is_used else None,
        state=decider.state(decision.record, decision.findings, decision.on) if is_used else "",
    )


def _event(
    decider: Decider, decision: Decision, resources: list[Resource], traceparent: str | None
) -> contract.Event:
    data = {
        "patientId": decision.record.patient_id,
        "service": decider.service,
        "recordVersion": decision.record.version,
        "knowledgeVersion": decider.knowledge.version,
        "on": decision.on,
        "findings": [conclusion(finding) for finding in decision.findings],
        "options": decision.options,
        "resources": resources,
    }
    return contract.guidance(
        decider.event_type, decider.service, data, decision.record.patient_id, traceparent
    )
