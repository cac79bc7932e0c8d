"""What the alerts add to DetectedIssue and Basic, published as StructureDefinitions and code systems.

https://hl7.org/fhir/R4/defining-extensions.html
"""

from __future__ import annotations

from typing import Any

from isodose.fhir.conformance import code_system, extension, value_set

Json = dict[str, Any]
_STATES = (
    {
        "code": "open",
        "definition": "No answer holds: the alert is worse, or about other drugs.",
    },
    {"code": "answered", "definition": "An override or an acknowledgement holds."},
)
_KINDS = ({"code": "alert-answers", "definition": "Keeps what clinicians answered to an alert."},)
_PARTS = {"card": "string", "outcome": "code", "at": "dateTime", "where": "string", "reason": "Coding"}


def definitions(base: str) -> list[Json]:
    """The same at every start."""
    listed = [
        extension(base, "alert-state", "Whether an answer to the alert holds", "DetectedIssue", "code"),
        extension(base, "alert-rule", "The entry whose alerts were answered", "Basic", "code"),
        extension(
            base,
            "alert-answer",
            "One answer to an alert",
            "Basic",
            {**_PARTS, "comment": "string"},
        ),
    ]
    for id, title, concepts in (
        ("alert-state", "Whether an answer to an alert holds", _STATES),
        ("resource-kind", "What a Basic of ours keeps", _KINDS),
    ):
        listed += [code_system(base, id, title, concepts), value_set(base, id, title)]
    return listed
