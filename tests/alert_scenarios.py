"""Scenario rows of tests/scenarios/alerts made records: drugs and courses as facts, or orders as FHIR."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import yaml
from msgspec.structs import replace

from ici_steroid_alerts.alerts import standing
from ici_steroid_alerts.proposals import suggestions
from ici_steroid_alerts.situation import Situation
from isodose.cds_hooks.hook import HookCall
from isodose.clinical import facts
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord, Subject
from isodose.clinical.terminology import DRUG_SETS, value_set
from isodose.mcode import build_record

TODAY = dt.date(2026, 11, 23)
FOLDER = Path(__file__).parent / "scenarios" / "alerts"
SYSTEMS = {
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "hcpcs": "urn:oid:2.16.840.1.113883.6.285",
    "snomed": "http://snomed.info/sct",
    "ndc": "http://hl7.org/fhir/sid/ndc",
}
STATUS_CHANGED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"
ROLE = {c.id: c.role for name in DRUG_SETS for c in value_set(name).concepts.values()}


def rows(*names: str) -> list[dict[str, Any]]:
    return [
        row for name in names for row in yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    ]


SCENARIOS = rows("scenarios", "thresholds", "orders", "holds")


def day(offset: int | None) -> dt.date | None:
    return None if offset is None else TODAY + dt.timedelta(days=offset)


def exposure(index: int, row: dict[str, Any]) -> Exposure:
    given_on = tuple(TODAY + dt.timedelta(days=d) for d in row.get("given", ()))
    administered = bool(given_on) and "from" not in row
    kind = row.get("kind", "MedicationAdministration" if administered else "MedicationRequest")
    role = ROLE[row["drug"]]
    return Exposure(
        ref=f"{kind}/m{index}",
        concept=row["drug"],
        drug_class=role,
        status=row.get("status", "completed" if administered else "active"),
        start=day(row.get("from")),
        end=day(row.get("to")),
        given_on=given_on,
        daily_dose_mg=row.get("mg"),
        route=row.get("route", "systemic"),
        as_needed=row.get("as_needed", False),
        indication=row.get("why", ""),
        text=row.get("words", ""),
    )


def course(index: int, row: dict[str, Any]) -> Course:
    planned = row.get("status", "completed") == "planned"
    return Course(
        ref=f"{'ServiceRequest' if planned else 'Procedure'}/c{index}",
        kind=row["kind"],
        certainty="sure",
        status=row.get("status", "completed"),
        start=day(row["day"]),
        end=None if planned else day(row["day"]),
        fractions_planned=row.get("fractions", 1),
    )


def record_of(row: dict[str, Any]) -> PatientRecord:
    courses = tuple(course(i, c) for i, c in enumerate(row.get("srs", ())))
    operations = ()
    if "operation" in row:
        moment = TODAY + dt.timedelta(days=row["operation"])
        operations = (Operation(ref="Procedure/op", kind="resection", status="planned", on=moment),)
    by_scope: dict[str, list[Fact]] = {}
    for name, value in row.get("facts", {}).items():
        scope = facts.definition(name).scope
        scope = "patient" if scope == "drug" else scope
        by_scope.setdefault(scope, []).append(Fact(name=name, value=value, source="Observation/o"))
    own = by_scope.pop("patient", [])
    subjects = []
    for scope, stated in sorted(by_scope.items()):
        ref = f"{scope}/1"
        if scope == "course":
            ref = courses[0].ref if courses else "Procedure/op" if operations else "Procedure/x"
        subjects.append(Subject(ref=ref, scope=scope, facts=tuple(stated), links=(ref,)))  # type: ignore[arg-type]
    ordered = build_record("p", list(map(order, range(99), row.get("orders", ()))))
    drugs = tuple(exposure(i, d) for i, d in enumerate(row.get("drugs", ())))
    return replace(
        PatientRecord(patient_id="p"),
        facts=tuple(own),
        subjects=tuple(subjects),
        courses=courses,
        operations=operations,
        exposures=(*drugs, *ordered.exposures),
    )


def order(index: int, row: dict[str, Any]) -> dict[str, Any]:
    """An order as FHIR: `code: system code` or `name`, `from` in days, `dosage` as FHIR Dosage, `why`.

    `changed` is the day on which it was held or stopped, `because` the reason.
    """
    concept: dict[str, Any] = {}
    if "code" in row:
        system, code = row["code"].split()
        concept["coding"] = [{"system": SYSTEMS[system], "code": code}]
    if "name" in row:
        concept["text"] = row["name"]
    kind = row.get("kind", "MedicationRequest")
    when = (day(row.get("from", 0)) or TODAY).isoformat()
    resource: dict[str, Any] = {
        "resourceType": kind,
        "id": f"o{index}",
        "status": row.get("status", "completed" if kind == "MedicationAdministration" else "active"),
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": concept,
    }
    if "why" in row:
        resource["reasonCode"] = [{"text": row["why"]}]
    if "because" in row:
        reason = {"text": row["because"]}
        resource["statusReason"] = reason if kind == "MedicationRequest" else [reason]
    if "changed" in row:
        held = (day(row["changed"]) or TODAY).isoformat()
        resource["extension"] = [{"url": STATUS_CHANGED, "valueDateTime": held}]
    if kind == "MedicationRequest":
        resource |= {"intent": "order", "authoredOn": when, "dosageInstruction": row.get("dosage", [])}
    elif kind == "MedicationAdministration":
        resource |= {"effectiveDateTime": when, "dosage": row.get("dosage", {})}
    elif kind == "MedicationDispense":
        resource |= {"whenHandedOver": when, "dosageInstruction": row.get("dosage", [])}
        resource |= {"daysSupply": row["supply"]} if "supply" in row else {}
    else:
        until = {"end": (day(row["to"]) or TODAY).isoformat()} if "to" in row else {}
        resource |= {"effectivePeriod": {"start": when} | until, "dosage": row.get("dosage", [])}
    return resource


def offered(row: dict[str, Any], situation: Situation) -> list[str]:
    """What the cards of all standing alerts offer, the row's orders taken as drafts."""
    drafts = [order(index, one) for index, one in zip(range(99), row.get("orders", ()), strict=False)]
    call = HookCall(
        service="ici-steroid-sign",
        hook="order-sign",
        hook_instance="6bc883b2-b795-4dcb-b661-34884a31d472",
        patient_id="p",
        on=TODAY,
        context={},
        resources=drafts,
        drafts=drafts,
    )
    return [one.label for alert in standing(situation) for one in suggestions(alert, situation, call)]
