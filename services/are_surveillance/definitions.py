"""The codes by which plans, tasks and risks tell what they are, published as code systems.

https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from are_surveillance.todo import TITLE
from are_surveillance.workup.states import STATE_NAME
from isodose.fhir.conformance import code_system, value_set

Json = dict[str, Any]
_ASSESSMENTS = {"are-risk": "Risk of an adverse radiation effect"}
_STEPS = {
    "symptoms": "Ask for what is not known of the symptoms",
    "ct": "CT with contrast, as MRI is contraindicated",
    "image-now": "Image now because of the symptoms",
    "repeat-mri": "Repeat the MRI after a short interval",
    "perfusion": "Perfusion MRI",
    "cut-off": "Validate the cut-off of the site",
    "spectroscopy": "MR spectroscopy",
    "pet": "PET with an amino acid tracer",
    "tissue": "Tissue",
    "board": "Bring it to the tumour board",
    "record-state": "Record the state",
    "treat-recurrence": "Treat the recurrence",
    "manage": "Treat the symptomatic effect",
    "observe": "Observe",
}


def definitions(base: str) -> list[Json]:
    """The same at every start."""
    listed: list[Json] = []
    systems: tuple[tuple[str, str, Mapping[Any, str]], ...] = (
        ("assessment", "What a risk assessment is about", _ASSESSMENTS),
        ("task-kind", "Kinds of open work in surveillance", TITLE),
        ("workup-state", "Where the work-up of a changing lesion stands", STATE_NAME),
        ("workup-step", "The next step of a work-up", _STEPS),
    )
    for id, title, meanings in systems:
        concepts = [{"code": code, "display": display} for code, display in meanings.items()]
        listed += [code_system(base, id, title, concepts), value_set(base, id, title)]
    return listed
