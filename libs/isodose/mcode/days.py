"""The days that FHIR dates, periods and events name, each in its own time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from isodose.clinical.timeline import bounded, possible_days


def day(written: Any, *, last: bool = False) -> dt.date | None:
    """The day a FHIR date or dateTime names in its own time zone; of a partial date the first or `last`."""
    if not isinstance(written, str):
        return None
    if len(written) >= 10:
        try:
            return bounded(dt.date.fromisoformat(written[:10]))
        except ValueError:
            return None
    period = possible_days(written)
    if period is None:
        return None
    return period.last if last else period.first


def effective_day(resource: Mapping[str, Any]) -> dt.date | None:
    """The clinically effective day of an Observation or DiagnosticReport; a period counts with its end."""
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        return day(period.get("end"), last=True) or day(period.get("start"))
    return (
        day(resource.get("effectiveDateTime"))
        or day(resource.get("effectiveInstant"))
        or day(resource.get("issued"))
    )


def days_of(period: Any) -> tuple[dt.date | None, dt.date | None]:
    """The first and the last day of a FHIR Period, as far as they are told."""
    if not isinstance(period, dict):
        return None, None
    return day(period.get("start")), day(period.get("end"), last=True)


def days_done(resource: Mapping[str, Any]) -> tuple[dt.date | None, dt.date | None]:
    """The first and the last day of a Procedure, or of what a ServiceRequest asks for."""
    period = resource.get("performedPeriod") or resource.get("occurrencePeriod")
    if isinstance(period, dict):
        return days_of(period)
    single = resource.get("performedDateTime") or resource.get("occurrenceDateTime")
    return day(single), day(single, last=True)
