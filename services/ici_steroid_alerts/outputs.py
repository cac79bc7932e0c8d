"""Alerts as FHIR R4: one DetectedIssue per pair and reason, its status following the facts.

https://hl7.org/fhir/R4/detectedissue.html. An alert that no longer stands is withdrawn by the assessment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from ici_steroid_alerts.alert import Alert
from ici_steroid_alerts.alerts import alerts
from ici_steroid_alerts.names import card_name, key_of
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

REVIEW = "https://doi.org/10.1038/s41571-025-01013-1"
_AWAITS = "source awaits clinical sign-off"


def resources(
    record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
) -> list[Resource]:
    """A DetectedIssue for every alert that stands; days passing alone change none of them."""
    return [_issue(alert, record, knowledge, base) for alert in alerts(record, findings, knowledge, on)]


def next_change(record: PatientRecord, _findings: list[Finding], on: dt.date) -> dt.date | None:
    """Tomorrow while a drug or radiation is on record: durations and distances grow by the day."""
    if record.deceased or not (record.exposures or record.courses or record.operations):
        return None
    return on + dt.timedelta(days=1)


def _issue(alert: Alert, record: PatientRecord, knowledge: Knowledge, base: str) -> Resource:
    key, name = key_of(alert, record.patient_id), card_name(alert, record.patient_id)
    issue: Resource = {
        "resourceType": "DetectedIssue",
        "id": result_id(key),
        "identifier": [
            {"system": f"{base}/NamingSystem/result", "value": key},
            {"system": f"{base}/NamingSystem/alert", "value": name.thread},
            {"system": f"{base}/NamingSystem/alert-card", "value": str(name.uuid)},
        ],
        "status": "final" if alert.settled else "preliminary",
        "code": {"coding": [_coding(alert.code, base)], "text": alert.title},
        "severity": alert.severity,
        "patient": {"reference": f"Patient/{record.patient_id}"},
        "detail": _detail(alert, knowledge),
        "evidence": [_evidence(finding, base) for finding in alert.findings],
        "reference": REVIEW,
    }
    if implicated := _references(alert.implicated):
        issue["implicated"] = implicated
    if alert.action:
        issue["mitigation"] = [{"action": {"text": f"Proposed: {alert.action}"}}]
    return issue


def _coding(code: str, base: str) -> Resource:
    return {"system": f"{base}/CodeSystem/catalogue", "code": code}


def _evidence(finding: Finding, base: str) -> Resource:
    evidence: Resource = {"code": [{"coding": [_coding(finding.code, base)], "text": finding.summary}]}
    if detail := _references(fact.source for fact in finding.facts):
        evidence["detail"] = detail
    return evidence


def _references(refs: Iterable[str]) -> list[Resource]:
    """Each once, in order; what is no FHIR reference stays out."""
    return [{"reference": ref} for ref in sorted(set(refs)) if ref.count("/") == 1 and all(ref.split("/"))]


def _detail(alert: Alert, knowledge: Knowledge) -> str:
    """What each finding says, how strongly, with conflicts and cautions, and on which sources."""
    lines = []
    for finding in alert.findings:
        entry = knowledge.entry(finding.code)
        lines.append(f"{finding.summary} ({finding.code}; {finding.strength.replace('_', ' ')})")
        for word, text in (("Limit", finding.boundary), ("Other reading", finding.conflicts)):
            if text:
                lines.append(f"{word}: {text}")
        if entry.caution:
            lines.append(f"Mind: {entry.caution}")
        awaits = f"; {_AWAITS}" if finding.awaits_sign_off else ""
        lines.append(f"Sources: {'; '.join(dict.fromkeys(s.cite for s in finding.sources))}{awaits}")
    return "\n".join(lines)
