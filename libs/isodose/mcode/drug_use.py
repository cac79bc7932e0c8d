"""When and whether a medication resource says that a drug is taken.

What is ordered is not known to be taken: orders are `planned` or `active` by their status.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from isodose.clinical.record import DrugStatus
from isodose.mcode.chart import Resource, extensions, items
from isodose.mcode.days import day
from isodose.mcode.dosage import first_day_of
from isodose.mcode.drug_named import text_of
from isodose.mcode.timings import whole_days


class Use(msgspec.Struct, frozen=True):
    """When and whether one resource says a drug is taken."""

    status: DrugStatus
    dosages: list[bytes]
    start: dt.date | None = None
    end: dt.date | None = None
    given_on: tuple[dt.date, ...] = ()
    draft: bool = False
    administered: bool = False
    reason: str = ""


def _dosages(value: Any) -> list[bytes]:
    """Each Dosage as JSON: one that is written again and again is read once."""
    return [orjson.dumps(d) for d in items(value) if isinstance(d, dict)]


def _first_day(dosages: list[bytes]) -> dt.date | None:
    """The first day that the instructions name."""
    return min(filter(None, map(first_day_of, dosages)), default=None)


_ORDERED: dict[str, DrugStatus] = {
    "active": "active",
    "on-hold": "on-hold",
    "completed": "completed",
    "stopped": "stopped",
    "draft": "planned",
    "unknown": "unknown",
}


def _request(resource: Resource) -> Use | None:
    """An order. A cancelled one was withdrawn before it was given; a proposal or plan is not yet an order."""
    status = _ORDERED.get(str(resource.get("status")))
    if status is None:
        return None
    draft = resource.get("status") == "draft"
    if resource.get("intent") in ("proposal", "plan", "option") and status == "active":
        status = "planned"
    dosages = _dosages(resource.get("dosageInstruction"))
    start = _first_day(dosages) or day(resource.get("authoredOn"))
    end = _supplied_until(resource, start, status) if start is not None else None
    if status in _BROKEN_OFF:
        end = _changed_on(resource)
    return Use(status, dosages, start, end, draft=draft, reason=_reason(resource, status))


_BROKEN_OFF = ("on-hold", "stopped")


def _changed_on(resource: Resource) -> dt.date | None:
    """The day an order was held or stopped, as R5 tells it: http://hl7.org/fhir/R5/versions.html#extensions"""
    told = [day(one.get("valueDateTime"), last=True) for one in extensions(resource, ".statusChanged")]
    return max(filter(None, told), default=None)


def _reason(resource: Resource, status: DrugStatus) -> str:
    """Why a drug was held or stopped, in words."""
    if status not in _BROKEN_OFF:
        return ""
    return "; ".join(filter(None, (text_of([one]) for one in items(resource.get("statusReason")))))


def _supplied_until(resource: Resource, start: dt.date, status: DrugStatus) -> dt.date | None:
    request = resource.get("dispenseRequest")
    supply = request.get("expectedSupplyDuration") if isinstance(request, dict) else None
    if status != "completed" or not isinstance(supply, dict):
        return None
    days = whole_days(supply)
    return start + dt.timedelta(days=days - 1) if days else None


_ADMINISTERED: dict[str, DrugStatus] = {
    "completed": "completed",
    "in-progress": "active",
    "on-hold": "on-hold",
    "stopped": "stopped",
    "unknown": "unknown",
}


def _administration(resource: Resource) -> Use | None:
    status = _ADMINISTERED.get(str(resource.get("status")))
    if status is None:
        return None
    dosages = _dosages(resource.get("dosage"))
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        start, end = day(period.get("start")), day(period.get("end"), last=True)
        given = (start,) if start and start == end else ()
        return Use(status, dosages, start, end, given, administered=True, reason=_reason(resource, status))
    on = day(resource.get("effectiveDateTime"))
    given = (on,) if on else ()
    return Use(status, dosages, on, on, given, administered=True, reason=_reason(resource, status))


_STATED: dict[str, DrugStatus] = {
    "active": "active",
    "completed": "completed",
    "intended": "planned",
    "stopped": "stopped",
    "on-hold": "on-hold",
    "unknown": "unknown",
}


def _statement(resource: Resource) -> Use | None:
    """A report of use; `not-taken` is none."""
    status = _STATED.get(str(resource.get("status")))
    if status is None:
        return None
    dosages = _dosages(resource.get("dosage"))
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        start, end = day(period.get("start")), day(period.get("end"), last=True)
        return Use(status, dosages, start, end, reason=_reason(resource, status))
    on = day(resource.get("effectiveDateTime"))
    end = on if status in ("completed", "stopped") else None
    return Use(status, dosages, on, end, reason=_reason(resource, status))


_DISPENSED: dict[str, DrugStatus] = {
    "completed": "completed",
    "in-progress": "planned",
    "preparation": "planned",
    "on-hold": "on-hold",
    "unknown": "unknown",
}


def _dispense(resource: Resource) -> Use | None:
    status = _DISPENSED.get(str(resource.get("status")))
    if status is None:
        return None
    start = day(resource.get("whenHandedOver")) or day(resource.get("whenPrepared"))
    supply = resource.get("daysSupply")
    days = whole_days(supply)
    end = start + dt.timedelta(days=days - 1) if start and days else None
    return Use(status, _dosages(resource.get("dosageInstruction")), start, end)


USE_OF: dict[str, Callable[[Resource], Use | None]] = {
    "MedicationRequest": _request,
    "MedicationAdministration": _administration,
    "MedicationStatement": _statement,
    "MedicationDispense": _dispense,
}
