"""Whether what a Condition or an AllergyIntolerance says holds, and since when.

https://hl7.org/fhir/R4/condition.html
"""

from __future__ import annotations

import datetime as dt

from isodose.clinical.terminology import codings
from isodose.mcode.chart import Resource
from isodose.mcode.days import day


def is_refuted(resource: Resource) -> bool:
    """Ruled out, or entered in error."""
    return _code(resource, "verificationStatus") in ("refuted", "entered-in-error")


def is_over(resource: Resource) -> bool:
    return _code(resource, "clinicalStatus") in ("resolved", "inactive", "remission")


def holds(resource: Resource) -> bool:
    return not is_refuted(resource) and not is_over(resource)


def began_on(resource: Resource) -> dt.date | None:
    """The day of the onset, else the day on which it was recorded."""
    return day(resource.get("onsetDateTime")) or day(resource.get("recordedDate"))


def _code(resource: Resource, element: str) -> str:
    return next((c.code for c in codings(resource.get(element))), "")
