"""The MRI after a resection: wanted within days, whatever the calendar, and no follow-up of radiosurgery."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from isodose.clinical import timeline
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Operation, PatientRecord, Scan
from isodose.clinical.timeline import Window

State = Literal["planned", "due", "missed", "completed"]
_HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class Postoperative:
    """The scan wanted after one resection, and the brain MRI that was done in time, if any."""

    operation: Operation
    window: Window
    state: State
    target_hours: int
    scan: Scan | None = None


def postoperative(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> tuple[Postoperative, ...]:
    """One for each resection that has a day, done or still planned, in order of day.

    Scans are known to the day only, so 48 and 72 hours are read as whole days; a scan on the day of the
    operation may be from before it and does not count.
    """
    known = knowledge.values("SUP-SURV-postop-mri", on)
    target = timeline.DAY * (known["target_hours"] // _HOURS_PER_DAY)
    latest = timeline.DAY * (known["late_above_hours"] // _HOURS_PER_DAY)
    operations = sorted(
        (o for o in record.operations if o.kind.startswith("resection") and o.on and _stands(o, on)),
        key=lambda o: (o.on or on, o.ref),
    )
    found = []
    for operation in operations:
        day = operation.on or on
        window = Window(day, day + target, day + latest)
        scan = _first_in(record, window, on)
        found.append(Postoperative(operation, window, _state(window, scan, on), known["target_hours"], scan))
    return tuple(found)


def _stands(operation: Operation, on: dt.date) -> bool:
    """Done, or planned for a day that has not passed."""
    if operation.on is None:
        return False
    return operation.status == "done" or (operation.status == "planned" and operation.on >= on)


def _first_in(record: PatientRecord, window: Window, on: dt.date) -> Scan | None:
    done = (
        s
        for s in record.scans
        if s.on and s.on <= on and (s.modality, s.region, s.status) == ("MR", "brain", "done")
    )
    return min(
        (s for s in done if s.on and s.on > window.earliest and window.holds(s.on)),
        key=lambda s: (s.on, s.ref),
        default=None,
    )


def _state(window: Window, scan: Scan | None, on: dt.date) -> State:
    if scan is not None:
        return "completed"
    if on > window.latest:
        return "missed"
    return "due" if window.earliest <= on else "planned"
