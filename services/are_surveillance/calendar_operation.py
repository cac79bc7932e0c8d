"""`$calendar`: the feed of one patient, or of the whole clinic for some weeks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from isodose.clinical.timeline import LAST_DAY, decision_day
from isodose.fhir.access import Access
from isodose.fhir.errors import FhirError, Issue, bad_request, not_found
from isodose.fhir.interactions import Answer
from isodose.fhir.operations import Call, Operation
from isodose.fhir.search import matching_ids
from isodose.work import Work

Resource = dict[str, Any]
MEDIA_TYPE = "text/calendar"
CLINIC_DAYS = 56
MOST_DAYS = 366
MOST = 100_000
_PARAMETERS = (
    ("patient", "in", 0, "1", "string"),
    ("from", "in", 0, "1", "date"),
    ("to", "in", 0, "1", "date"),
    ("return", "out", 1, "1", "Binary"),
)


def calendar_operation(today: Callable[[], dt.date], worklist_url: str) -> Operation:
    """`GET [base]/$calendar?patient=ID`, or `?from=DAY&to=DAY` for the clinic: text/calendar.

    Without `from` it begins today, without `to` it is eight weeks long; a year is the most.
    """

    def handle(work: Work, call: Call) -> Answer:
        from are_surveillance.feed import feed  # noqa: PLC0415 (icalendar: 12 MB and 0.3 s for who asks)

        patient = call.query.get("patient", "").removeprefix("Patient/")
        first, last = _period(call, today())
        _may_read(call.access, patient)
        if patient and not work.records.versions([patient]):
            raise not_found("No record of this patient is stored here.", "patient")
        asked = [("patient", patient)] if patient else []
        found = [
            *_found(work, "ServiceRequest", [*asked, ("status", "draft"), ("intent", "proposal")]),
            *_found(work, "Task", [*asked, ("status", "requested")]),
        ]
        shown = found if patient else [r for r in found if _overlaps(r, first, last)]
        for one in sorted({_patient(resource) for resource in shown} | ({patient} - {""})):
            call.look_at(one)
        return Answer(200, feed(shown, worklist_url), media_type=f"{MEDIA_TYPE}; charset=utf-8")

    return Operation(
        name="$calendar",
        handle=handle,
        judges=True,
        media_type=MEDIA_TYPE,
        summary="Open surveillance windows and tasks as iCalendar",
        parameters=_PARAMETERS,
    )


def _period(call: Call, today: dt.date) -> tuple[dt.date, dt.date]:
    first = _day(call, "from") or today
    last = _day(call, "to") or first + dt.timedelta(days=CLINIC_DAYS)
    if not first <= last <= first + dt.timedelta(days=MOST_DAYS):
        raise bad_request(f"The parameter to lies from 0 to {MOST_DAYS} days after from.", "to", code="value")
    return first, last


def _day(call: Call, name: str) -> dt.date | None:
    text = call.query.get(name)
    try:
        return decision_day(text) if text else None
    except ValueError:
        raise bad_request(
            f"The parameter {name} is a whole day, such as 2026-03-31, and not after {LAST_DAY}.",
            name,
            code="value",
        ) from None


def _may_read(access: Access | None, patient: str) -> None:
    """One patient needs that patient's record; the clinic needs orders and tasks of all patients."""
    if access is None:
        return
    if patient:
        access.require_patient(patient)
        return
    for kind in ("ServiceRequest", "Task"):
        if not any(grant.patient is None for grant in access.covering("s", kind)):
            raise FhirError(403, [Issue("forbidden", "The access token is for one patient: name it.")])


def _found(work: Work, kind: str, pairs: list[tuple[str, str]]) -> Iterator[Resource]:
    ids = matching_ids(work.resources, kind, pairs, limit=MOST)
    for stored in work.resources.get_many((kind, one) for one in ids).values():
        if stored.body:
            yield stored.resource()


def _overlaps(resource: Resource, first: dt.date, last: dt.date) -> bool:
    period = resource.get("occurrencePeriod") or resource.get("restriction", {}).get("period", {})
    begun = str(period.get("start", "")) <= last.isoformat()
    over = str(period.get("end", "9999-12-31")) < first.isoformat()
    return begun and (not over or resource["resourceType"] == "Task")


def _patient(resource: Resource) -> str:
    held = resource.get("subject") or resource["for"]
    return str(held["reference"]).removeprefix("Patient/")
