"""In which order resources of several types arrive, so that what others point to is here before them."""

from __future__ import annotations

FIRST = (
    "Organization", "Practitioner", "PractitionerRole", "Location", "Patient", "Medication", "BodyStructure",
    "Encounter", "Condition", "ServiceRequest", "Procedure", "ImagingStudy", "DiagnosticReport",
)  # fmt: skip
UP_TO_PATIENTS = frozenset(FIRST[: FIRST.index("Patient") + 1])


def rank(resource_type: str) -> int:
    """The place of a type; all that are not listed come last, for nothing points to them."""
    return FIRST.index(resource_type) if resource_type in FIRST else len(FIRST)
