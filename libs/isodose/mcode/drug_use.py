"""When and whether a medication resource says that a drug is taken.

What is ordered is not known to be taken: orders are `planned` or `active` by their status.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import orjson

from isodose.clinical.record import DrugStatus
from isodose.mcode.chart import Resource, extensions, items
from isodose.mcode.days import day, days_of
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


def use_of(resource: Resource) -> Use | None:
    """What a resource says of the use of its drug; None where its status says that there is none."""
    kind = _KINDS[resource["resourceType"]]
    status = kind.statuses.get(str(resource.get("status")))
    return None if status is None else kind.read(resource, status)


def _request(resource: Resource, status: DrugStatus) -> Use:
    """An order. A proposal or plan is not yet one."""
    draft = status == "planned"
    if resource.get("intent") in ("proposal", "plan", "option") and status == "active":
        status = "planned"
    dosages = _dosages(resource, "dosageInstruction")
    start = _first_day(dosages) or day(resource.get("authoredOn"))
    end = _supplied_until(resource, start, status) if start is not None else None
    if status in _BROKEN_OFF:
        end = _changed_on(resource)
    return Use(status, dosages, start, end, draft=draft, reason=_reason(resource, status))


def _administration(resource: Resource, status: DrugStatus) -> Use:
    dosages = _dosages(resource, "dosage")
    start, end = _effective(resource)
    given = (start,) if start and start == end else ()
    return Use(status, dosages, start, end, given, administered=True, reason=_reason(resource, status))


def _statement(resource: Resource, status: DrugStatus) -> Use:
    """A report of use. A single day is its last only where the use is over."""
    start, end = _effective(resource)
    if not isinstance(resource.get("effectivePeriod"), dict) and status not in ("completed", "stopped"):
        end = None
    return Use(status, _dosages(resource, "dosage"), start, end, reason=_reason(resource, status))


def _dispense(resource: Resource, status: DrugStatus) -> Use:
    start = day(resource.get("whenHandedOver")) or day(resource.get("whenPrepared"))
    end = _after(start, whole_days(resource.get("daysSupply")))
    return Use(status, _dosages(resource, "dosageInstruction"), start, end)


def _dosages(resource: Resource, element: str) -> list[bytes]:
    """Each Dosage as JSON: one that is written again and again is read once."""
    return [orjson.dumps(d) for d in items(resource.get(element)) if isinstance(d, dict)]


def _first_day(dosages: list[bytes]) -> dt.date | None:
    """The first day that the instructions name."""
    return min(filter(None, map(first_day_of, dosages)), default=None)


def _effective(resource: Resource) -> tuple[dt.date | None, dt.date | None]:
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        return days_of(period)
    on = day(resource.get("effectiveDateTime"))
    return on, on


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
    return _after(start, whole_days(supply))


def _after(start: dt.date | None, days: int | None) -> dt.date | None:
    """The last of so many days."""
    return start + dt.timedelta(days=days - 1) if start and days else None


class _Kind(NamedTuple):
    """How a resource type tells of use. A status that is not among the `statuses` tells of none."""

    statuses: Mapping[str, DrugStatus]
    read: Callable[[Resource, DrugStatus], Use]


_SAME: Mapping[str, DrugStatus] = {"on-hold": "on-hold", "completed": "completed", "unknown": "unknown"}
_KINDS = {
    "MedicationRequest": _Kind(
        {**_SAME, "active": "active", "stopped": "stopped", "draft": "planned"}, _request
    ),
    "MedicationAdministration": _Kind(
        {**_SAME, "in-progress": "active", "stopped": "stopped"}, _administration
    ),
    "MedicationStatement": _Kind(
        {**_SAME, "active": "active", "stopped": "stopped", "intended": "planned"}, _statement
    ),
    "MedicationDispense": _Kind({**_SAME, "in-progress": "planned", "preparation": "planned"}, _dispense),
}
MEDICATIONS = tuple(_KINDS)
"""The resource types that tell of the use of a drug."""
