"""From FHIR resources to the record of one patient: each reader once, each oddity a Problem, no error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from isodose.clinical.record import PatientRecord
from isodose.mcode import (
    cancer,
    declined,
    hospice,
    imaging,
    lesions,
    markers,
    medications,
    mri_safety,
    patient,
    radiotherapy,
    staging,
    statements,
    status,
    surgery,
)
from isodose.mcode.chart import Chart, Reading, Resource, in_order, items

# Statements come last: a fact that names no subject needs to know which there are. MRI safety looks at scans.
_READERS = (
    radiotherapy.read,
    lesions.read,
    surgery.read,
    imaging.read,
    cancer.read,
    markers.read,
    status.read,
    staging.read,
    medications.read,
    hospice.read,
    declined.read,
    mri_safety.read,
    statements.read,
)


def build_record(patient_id: str, resources: Iterable[Resource], version: int = 0) -> PatientRecord:
    """Everything that `resources` tell of the patient. Pure; the order of the resources does not matter.

    Resources of other patients, results of Isodose itself and entries in error are not read. A reader takes
    any schema-valid resource: what it cannot understand is a `Problem` with its source.
    """
    chart = Chart(patient_id, resources)
    reading = Reading()
    for ref in chart.of_other_patients:
        reading.problem("other-patient", "It is about another patient and is not read", ref)
    person = patient.read(chart, reading)
    for read in _READERS:
        read(chart, reading)
    subjects = reading.subjects()
    return PatientRecord(
        patient_id=patient_id,
        version=version,
        birth_year=person.birth_year,
        sex=person.sex,
        deceased=person.deceased,
        facts=in_order(reading.facts),
        subjects=subjects,
        courses=tuple(sorted(reading.courses, key=repr)),
        exposures=tuple(sorted(reading.exposures, key=medications.place)),
        scans=tuple(sorted(reading.scans, key=repr)),
        operations=tuple(sorted(reading.operations, key=repr)),
        problems=tuple(sorted(reading.problems, key=repr)),
        read=tuple(sorted(reading.read - {""})),
    )


def resources_of(bundle: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources of a Bundle, with references by `fullUrl` (urn:uuid and the like) made `Type/id`."""
    entries = [
        e for e in items(bundle.get("entry")) if isinstance(e, dict) and isinstance(e.get("resource"), dict)
    ]
    names = {}
    for entry in entries:
        resource, url = entry["resource"], entry.get("fullUrl")
        if isinstance(url, str) and url.startswith("urn:"):
            identity = resource.get("id") or url.rpartition(":")[2]
            names[url] = f"{resource.get('resourceType')}/{identity}"
    found = []
    for entry in entries:
        resource = _renamed(entry["resource"], names) if names else entry["resource"]
        url = entry.get("fullUrl")
        if not resource.get("id") and url in names:
            resource = {**resource, "id": names[url].partition("/")[2]}
        found.append(resource)
    return found


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(item, item)
            if key == "reference" and isinstance(item, str)
            else _renamed(item, names)
            for key, item in value.items()
        }
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value
