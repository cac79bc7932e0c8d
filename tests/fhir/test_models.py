"""Tests build and check results with models of R4B: of what is used here, R4B says the same as R4.

https://hl7.org/fhir/R4B/history.html
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from isodose.fhir.definitions import schema_at

USED = (
    "ActivityDefinition",
    "AuditEvent",
    "Basic",
    "BodyStructure",
    "CarePlan",
    "CodeSystem",
    "Condition",
    "DetectedIssue",
    "DiagnosticReport",
    "GuidanceResponse",
    "ImagingStudy",
    "Library",
    "MedicationAdministration",
    "MedicationRequest",
    "Observation",
    "OperationOutcome",
    "Parameters",
    "Patient",
    "PlanDefinition",
    "Procedure",
    "Provenance",
    "RequestGroup",
    "ResearchStudy",
    "RiskAssessment",
    "ServiceRequest",
    "Task",
)
"""What the platform builds or reads. `KNOWN_TO_DIFFER` tells the elements in which R4B is not R4."""

KNOWN_TO_DIFFER = {
    "ActivityDefinition": {"subjectCanonical"},
    "PlanDefinition": {"subjectCanonical"},
}
"""Elements that R4B added: the platform writes none of them."""


def _r4(kind: str) -> set[str]:
    return {name for name in schema_at(["$defs", kind])["properties"] if not name.startswith("_")}


def _r4b(kind: str) -> set[str]:
    model: Any = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    names = {field.alias or name for name, field in model.model_fields.items()}
    return {name for name in names if not name.startswith(("_", "fhir_"))} | {"resourceType"}


@pytest.mark.parametrize("kind", USED)
def test_r4b_has_the_elements_of_r4(kind: str) -> None:
    assert _r4b(kind) ^ _r4(kind) == KNOWN_TO_DIFFER.get(kind, set())
