"""Everything that a database holds about one patient, taken out: histories and waiting events too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, or_, select, tuple_, update

from isodose.storage.identities import Identities
from isodose.storage.tables import (
    audit_event,
    audit_patient,
    bulk_export,
    bulk_file,
    bulk_line,
    bulk_patient,
    conditional_identity,
    consumed_position,
    day_pass,
    dead_letter,
    decision,
    ehr_subscription,
    guidance,
    job,
    knowledge_version,
    merged_patient,
    outbox,
    patient_read,
    patient_record,
    record_version,
    resource,
    resource_version,
    schema_reach,
    search_index,
    subscriber,
    subscriber_event,
    used_token,
    worklist_change,
    worklist_need,
    worklist_row,
    worklist_session,
    written_back,
)

Key = tuple[str, str]
_OF_RESOURCES = (resource, resource_version, search_index, conditional_identity)
_OF_PATIENTS = (
    patient_record, record_version, guidance, decision, patient_read, bulk_patient, written_back,
    subscriber_event, worklist_row, worklist_need,
)  # fmt: skip
_OF_MESSAGES = (outbox, dead_letter, job)
_BY_TEXT = (bulk_line, day_pass, worklist_session)
_OF_MERGES = (merged_patient,)
_AUDIT = (audit_event, audit_patient)
_OF_NOBODY = (
    knowledge_version, consumed_position, ehr_subscription, bulk_export, bulk_file, subscriber,
    worklist_change, used_token, schema_reach,
)  # fmt: skip
KNOWN = (*_OF_RESOURCES, *_OF_PATIENTS, *_OF_MESSAGES, *_BY_TEXT, *_OF_MERGES, *_AUDIT, *_OF_NOBODY)
"""Every table there is: one that is not here is not thought of when a patient is erased."""
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Related:
    """What is about a patient and does not name them: resources by type and id, events by their key."""

    resources: Sequence[Key] = ()
    events: Sequence[str] = ()


def erase(conn: Connection, patient_id: str, also: Related = Related()) -> int:
    """Delete every row about the patient, and what is `also`; how many rows.

    Who was merged into the patient goes as well. A resource that was another patient's before loses the
    versions that name this one. Audit events stay: who looked at whom has to be told for as long as the law
    asks. Whoever calls holds the lock of the patient.
    """
    own = select(resource.c.type, resource.c.id).where(resource.c.patient_id == patient_id)
    keys = sorted({(row.type, row.id) for row in conn.execute(own)} | set(also.resources))
    rows = sum(erase(conn, one) for one in Identities(conn).merged_into(patient_id))
    rows += conn.execute(delete(merged_patient).where(merged_patient.c.patient_id == patient_id)).rowcount
    rows += _told_to(conn, [id for kind, id in keys if kind == "Subscription"])
    for start in range(0, len(keys), _AT_ONCE):
        rows += _resources(conn, keys[start : start + _AT_ONCE])
    named = resource_version.c.body.contains(f'Patient/{patient_id}"', autoescape=True)
    rows += conn.execute(delete(resource_version).where(named)).rowcount
    for table in _OF_PATIENTS:
        rows += conn.execute(delete(table).where(table.c.patient_id == patient_id)).rowcount
    for table in _OF_MESSAGES:
        rows += conn.execute(delete(table).where(table.c.key.in_([patient_id, *also.events]))).rowcount
    return rows + _by_text(conn, patient_id)


def _told_to(conn: Connection, ids: Sequence[str]) -> int:
    """Whom a token of the patient asked to be told: their address, their secret, their events."""
    if not ids:
        return 0
    return (
        conn.execute(delete(subscriber_event).where(subscriber_event.c.subscription_id.in_(ids))).rowcount
        + conn.execute(delete(subscriber).where(subscriber.c.id.in_(ids))).rowcount
        + conn.execute(delete(job).where(job.c.kind == "notify", job.c.key.in_(ids))).rowcount
    )


def _by_text(conn: Connection, patient_id: str) -> int:
    """Lines of a bulk export that wait, how far a day's pass has come, told by its last patient, and sessions
    with the patient in context.
    """
    opened_for = worklist_session.c.content.contains(f'"patient":"{patient_id}"', autoescape=True)
    of_patient = bulk_line.c.text.contains(f'Patient/{patient_id}"', autoescape=True)
    named = or_(of_patient, bulk_line.c.place == f"Patient/{patient_id}")
    before = update(day_pass).where(day_pass.c.after_patient == patient_id)
    return (
        conn.execute(delete(worklist_session).where(opened_for)).rowcount
        + conn.execute(delete(bulk_line).where(named)).rowcount
        + conn.execute(before.values(after_patient=patient_id[:-1])).rowcount
    )


def _resources(conn: Connection, keys: Sequence[Key]) -> int:
    return sum(
        conn.execute(delete(table).where(tuple_(table.c.type, table.c.id).in_(keys))).rowcount
        for table in _OF_RESOURCES
    )
