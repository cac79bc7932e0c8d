"""Alerts while ordering: only those that the selected or drafted orders take part in, and only few of them.

order-select informs and warns; order-sign may also stop the prescriber, where an alert is worth interrupting.
"""

from __future__ import annotations

import datetime as dt
import uuid

from msgspec.structs import replace

from ici_steroid_alerts.alert import Alert
from ici_steroid_alerts.alerts import alerts
from ici_steroid_alerts.decision import decide
from ici_steroid_alerts.proposals import suggestions
from isodose.cds_hooks.cards import OVERRIDE_REASONS, detail, shortened
from isodose.cds_hooks.hook import CdsService, HookCall, Prefetch
from isodose.cds_hooks.models import Card, Coding, Indicator, Link, Source
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, Exposure, PatientRecord
from isodose.fhir.resources import result_id
from isodose.mcode import build_record

_PATIENT = "{{context.patientId}}"
PREFETCH = {
    "patient": Prefetch(f"Patient/{_PATIENT}", required=True),
    "medicationRequests": Prefetch(
        f"MedicationRequest?patient={_PATIENT}&_include=MedicationRequest:medication", required=True
    ),
    "medicationAdministrations": Prefetch(f"MedicationAdministration?patient={_PATIENT}"),
    "medicationStatements": Prefetch(f"MedicationStatement?patient={_PATIENT}"),
    "procedures": Prefetch(f"Procedure?patient={_PATIENT}"),
    "serviceRequests": Prefetch(f"ServiceRequest?patient={_PATIENT}"),
    "conditions": Prefetch(f"Condition?patient={_PATIENT}"),
    "observations": Prefetch(f"Observation?patient={_PATIENT}"),
}
_USAGE = "Prefetch what the EHR holds; a key given as null means that there is none."


def services(knowledge: Knowledge, base: str) -> list[CdsService]:
    """`ici-steroid-select` on order-select and `ici-steroid-sign` on order-sign."""

    def answer(call: HookCall) -> list[Card]:
        return cards(call, knowledge, base)

    what = "Drug, steroid and radiation combinations that matter for this patient, for the orders drafted"
    return [
        CdsService(
            id=identity,
            hook=hook,
            title="Checkpoint inhibitor, steroid and radiation alerts",
            description=f"{what}{when}.",
            prefetch=PREFETCH,
            answer=answer,
            usage_requirements=_USAGE,
        )
        for identity, hook, when in (
            ("ici-steroid-select", "order-select", " and selected"),
            ("ici-steroid-sign", "order-sign", ", at signing"),
        )
    ]


def cards(call: HookCall, knowledge: Knowledge, base: str) -> list[Card]:
    """One card per thing to act on, most serious first; none where the drafts change nothing."""
    resources = [_named(resource, place) for place, resource in enumerate(call.resources)]
    drafted = {_ref(_named(resource, place)) for place, resource in enumerate(call.drafts)}
    judged = set(call.selections) if call.hook == "order-select" else drafted
    record = as_if_signed(build_record(call.patient_id, resources), drafted, call.on)
    findings = decide(record, knowledge, call.on)
    raised = [
        alert
        for alert in alerts(record, findings, knowledge, call.on)
        if alert.on_card and judged & set(alert.implicated)
    ]
    return [_card(alert, call, knowledge, base) for alert in raised]


def as_if_signed(record: PatientRecord, drafted: set[str], on: dt.date) -> PatientRecord:
    """The record as it will be: drafted drugs are given from today, drafted radiation is planned.

    A drafted checkpoint inhibitor stays planned: its timing is what is being chosen.
    """
    exposures = tuple(_signed(e, on) if e.ref in drafted else e for e in record.exposures)
    courses = tuple(_planned(c) if c.ref in drafted else c for c in record.courses)
    return replace(record, exposures=exposures, courses=courses)


def _signed(exposure: Exposure, on: dt.date) -> Exposure:
    if exposure.status not in ("planned", "active") or exposure.drug_class.startswith("ici_"):
        return exposure
    return replace(exposure, status="active", draft=False, start=on)


def _planned(course: Course) -> Course:
    return replace(course, status="planned", draft=False)


def _named(resource: dict[str, object], place: int) -> dict[str, object]:
    """A draft may have no id yet: it gets one that holds for this call."""
    return resource if resource.get("id") else {**resource, "id": f"draft-{place}"}


def _ref(resource: dict[str, object]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _card(alert: Alert, call: HookCall, knowledge: Knowledge, base: str) -> Card:
    offered = suggestions(alert, call)
    cautions = [knowledge.entry(f.code).caution for f in alert.findings]
    name = f"{call.hook_instance}/{call.service}/{alert.code}/{alert.about}"
    return Card(
        uuid=uuid.UUID(result_id(name)),
        summary=shortened(alert.title),
        indicator=_indicator(alert, call),
        detail=detail(alert.findings, [text for text in dict.fromkeys(cautions) if text]),
        source=Source(
            label="Isodose: drug, steroid and radiation alerts",
            topic=Coding(system=f"{base}/CodeSystem/catalogue", code=alert.code, display=alert.title),
        ),
        suggestions=offered,
        selection_behavior="any" if offered else None,
        override_reasons=OVERRIDE_REASONS,
        links=_links(call),
    )


def _indicator(alert: Alert, call: HookCall) -> Indicator:
    """Severity tells how bad; only an alert worth interrupting is critical, and only at signing."""
    if alert.interrupts and alert.settled and call.hook == "order-sign":
        return "critical"
    return "info" if alert.severity == "low" else "warning"


def _links(call: HookCall) -> tuple[Link, ...]:
    if not call.worklist_url:
        return ()
    return (Link(label="Open the patient's worklist page", url=call.worklist_url),)
