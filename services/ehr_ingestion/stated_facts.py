"""A fact stated in the code system defined here either can be read or is refused before anything is kept."""

from __future__ import annotations

from typing import Any

from isodose.fhir.errors import Issue
from isodose.mcode.statements import fault


def unreadable(resource: dict[str, Any]) -> Issue | None:
    """Why an Observation states no fact although it is coded as one; None for every other resource."""
    if resource.get("resourceType") != "Observation":
        return None
    unfit = fault(resource)
    if unfit is None:
        return None
    return Issue("value", f"This states no fact: {unfit.text}.", (f"Observation.{unfit.element}",))
