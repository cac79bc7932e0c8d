"""The record in a Bundle that is only looked at: references inside it resolved, its one patient found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isodose.clinical.record import PatientRecord
from isodose.fhir.errors import bad_request
from isodose.fhir.references import target
from isodose.mcode import build_record

Json = dict[str, Any]


def record_in(bundle: Json, path: str, patient_id: str | None = None) -> PatientRecord:
    """The record of the patient in `bundle`, or of `patient_id` where the Bundle holds several.

    An entry without an id gets one from its fullUrl, and references to a fullUrl become references to it.
    Raises `FhirError` 400 where it is not clear whose record is asked for.
    """
    entries = [entry for entry in bundle.get("entry", []) if "resource" in entry]
    placed: dict[str, str] = {}
    named: list[Json] = []
    for index, entry in enumerate(entries):
        resource = entry["resource"]
        kind, url = resource["resourceType"], entry.get("fullUrl", "")
        last = url.rpartition("/")[2].rpartition(":")[2]
        identity = resource.get("id") or last or f"entry-{index}"
        named.append(resource | {"id": identity})
        if url:
            placed[url] = f"{kind}/{identity}"
    resources = [_resolved(resource, placed) for resource in named]
    return build_record(patient_id or _only_patient(resources, path), resources)


def _resolved(node: Any, placed: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            name: placed.get(value, value)
            if name == "reference" and isinstance(value, str)
            else _resolved(value, placed)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [_resolved(item, placed) for item in node]
    return node


def _only_patient(resources: list[Json], path: str) -> str:
    found = {resource["id"] for resource in resources if resource["resourceType"] == "Patient"}
    found = found or {patient for resource in resources if (patient := _subject(resource))}
    if len(found) == 1:
        return str(found.pop())
    if not found:
        raise bad_request("The record has no Patient; add the resource.", f"{path}.entry", code="required")
    raise bad_request(
        f"The record holds {len(found)} patients; send one, or say which with the parameter subject.",
        f"{path}.entry",
    )


def _subject(resource: Json) -> str:
    holder = resource.get("subject") or resource.get("patient")
    pointed = target(holder.get("reference", "")) if isinstance(holder, dict) else None
    return pointed[1] if pointed and pointed[0] == "Patient" else ""
