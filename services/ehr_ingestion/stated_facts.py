"""A fact stated in the code system defined here either can be read or is refused before anything is kept."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.stored import Stored
from isodose.mcode.statements import fault


def refuse_unreadable(written: Iterable[Stored]) -> None:
    """Raise FhirError (422) for Observations whose unit, type or value does not fit the fact they state."""
    issues = []
    for stored in written:
        if stored.type != "Observation" or not stored.changed or stored.deleted:
            continue
        observation = orjson.loads(stored.body)
        unfit = fault(observation)
        if unfit is not None:
            said = f"This states no fact: {unfit.text}."
            issues.append(Issue("value", said, (f"Observation.{unfit.element}",)))
    if issues:
        raise FhirError(422, issues)
