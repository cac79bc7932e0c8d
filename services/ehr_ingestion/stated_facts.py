"""A fact stated in the code system defined here either can be read or is refused before anything is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.stored import Stored
from isodose.mcode.statements import fault


def refuse_unreadable(written: Iterable[Stored]) -> None:
    """Raise FhirError (422) for Observations whose unit, type or value does not fit the fact they state."""
    judged = (
        unreadable(orjson.loads(stored.body))
        for stored in written
        if stored.type == "Observation" and stored.changed and not stored.deleted
    )
    issues = [issue for issue in judged if issue is not None]
    if issues:
        raise FhirError(422, issues)


def unreadable(resource: dict[str, Any]) -> Issue | None:
    """Why an Observation states no fact although it is coded as one; None for every other resource."""
    if resource.get("resourceType") != "Observation":
        return None
    unfit = fault(resource)
    if unfit is None:
        return None
    return Issue("value", f"This states no fact: {unfit.text}.", (f"Observation.{unfit.element}",))
