"""The conclusions as FHIR R4: CarePlan, proposed ServiceRequests, Tasks for open work, RiskAssessments.

Every resource has a stable key, so that a new decision revises it: days passing never change a key.
"""

from __future__ import annotations

import datetime as dt

from are_surveillance.decision import plan_of
from are_surveillance.open_work import open_work
from are_surveillance.outputs.care_plan import care_plan
from are_surveillance.outputs.identity import Identities, Resource
from are_surveillance.outputs.orders import orders
from are_surveillance.outputs.risk import risk_assessment
from are_surveillance.outputs.tasks import task
from are_surveillance.risk.profile import profiles
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

__all__ = ["Resource", "resources"]


def resources(
    record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
) -> list[Resource]:
    """CarePlan, ServiceRequests, Tasks and RiskAssessments; none of a patient who has died, no CarePlan where
    no radiosurgery is on record.
    """
    plan = plan_of(record, findings, knowledge, on)
    if plan.status == "ended":
        return []
    known = Identities(record.patient_id, base)
    tasks = [task(todo, known, knowledge) for todo in open_work(record, plan, findings, knowledge, on)]
    risks = [
        risk_assessment(profile, known, knowledge) for profile in profiles(record, findings, knowledge, on)
    ]
    if plan.status == "none":
        return tasks
    parts = [*orders(plan, findings, known, knowledge), *tasks, *risks]
    return [care_plan(plan, parts, known, knowledge), *parts]
