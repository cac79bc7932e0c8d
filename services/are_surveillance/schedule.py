"""The surveillance plan of one patient: one plan over all courses, each window with its state on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from are_surveillance.anchors import Anchor, Anchors, Question, anchors
from are_surveillance.windows import Outside, Rhythm, Slot, ahead, close, follow_up_scans, per_course
from isodose.clinical import facts, timeline
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord, Scan

Status = Literal["none", "ahead", "undated", "active", "ended"]
State = Literal["planned", "booked", "due", "overdue", "missed", "completed"]


@dataclass(frozen=True, slots=True)
class Place:
    """A slot as it stands on the day. `arranged` is the scan ordered or booked for it; `overdue_from` the day
    from which it counts as overdue: for one that follows a missed slot, the day the first was missed.
    """

    slot: Slot
    state: State
    overdue_from: dt.date
    arranged: Scan | None = None

    @property
    def open(self) -> bool:
        return self.state not in ("completed", "missed")


@dataclass(frozen=True, slots=True)
class Plan:
    """`none`: no radiosurgery was given or planned; `ahead`: planned or under way only; `undated`: given on a
    day not known; `active`: windows are laid out; `ended`: the patient has died. `beyond` is the first window
    past the horizon.
    """

    status: Status
    anchors: Anchors
    places: tuple[Place, ...] = ()
    outside: tuple[Outside, ...] = ()
    misplaced: tuple[Outside, ...] = ()
    questions: tuple[Question, ...] = ()
    last_scan: Scan | None = None
    beyond: Slot | None = None
    shortened: bool = False
    mri_contraindicated: bool = False

    @property
    def anchor(self) -> Anchor | None:
        """The latest radiosurgery course, from which the open windows are counted."""
        return self.anchors.given[-1] if self.anchors.given else None

    @property
    def active(self) -> Place | None:
        """The one window to act on now or next."""
        return next((place for place in self.places if place.open), None)

    @property
    def first_open_number(self) -> int:
        """The number of the scan that is wanted next, whatever windows passed without it."""
        return 1 + sum(p.state == "completed" and p.slot.anchor == self.anchor for p in self.places)

    @property
    def missed(self) -> int:
        return sum(place.state == "missed" for place in self.places)


def plan(record: PatientRecord, knowledge: Knowledge, on: dt.date, *, shortened: bool) -> Plan:
    """The plan as it stands on the day `on`. The same record gives the same windows on any day."""
    courses = anchors(record.courses, on)
    questions = (*courses.questions, *_scan_questions(record, on))
    if record.deceased:
        return Plan("ended", courses)
    if not courses.given:
        status: Status = "undated" if courses.undated else "ahead" if courses.ahead else "none"
        return Plan(status, courses, questions=questions if status != "none" else ())
    rhythm = Rhythm.of(knowledge, on, shortened=shortened)
    scans = follow_up_scans(record.scans, on, rhythm.default["same_scan_days"])
    slack = knowledge.values("SUP-SURV-overdue", on)["slack_weeks"] * timeline.WEEK
    closed: list[Slot] = []
    outside: list[Outside] = []
    for anchor, following in per_course(courses.given, scans):
        done, beside, first_open = close(anchor, following, rhythm)
        closed.extend(done)
        outside.extend(beside)
    bookings = _arranged(record.scans, on)
    slots = list(_within_horizon(first_open, rhythm, on))
    open_places = list(_standing(slots, rhythm, bookings, slack, on))
    done_places = [Place(slot, "completed", slot.window.latest + slack + timeline.DAY) for slot in closed]
    return Plan(
        "active",
        courses,
        places=(*done_places, *open_places),
        outside=tuple(outside),
        misplaced=tuple(_misplaced(bookings, open_places)),
        questions=questions,
        last_scan=scans[-1] if scans else None,
        beyond=rhythm.next_slot(slots[-1].anchor, slots[-1].number + 1, slots[-1].window.target),
        shortened=shortened,
        mri_contraindicated=_mri_contraindicated(record, on),
    )


def _standing(
    slots: Sequence[Slot], rhythm: Rhythm, bookings: Sequence[Scan], slack: dt.timedelta, on: dt.date
) -> Iterator[Place]:
    """The slots since the last scan as they stand; those that passed without one are missed."""
    active = max((i for i, slot in enumerate(slots) if slot.window.earliest <= on), default=0)
    first_overdue = slots[0].window.latest + slack + timeline.DAY
    for index, slot in enumerate(slots):
        own_overdue = slot.window.latest + slack + timeline.DAY
        overdue_from = first_overdue if index <= active else own_overdue
        if index < active:
            yield Place(slot, "missed", overdue_from)
            continue
        following = slots[index + 1].window.earliest if index + 1 < len(slots) else own_overdue
        last_day = following - timeline.DAY if on >= overdue_from else own_overdue - timeline.DAY
        fitting = [s for s in bookings if s.on and rhythm.counts_from(slot) <= s.on <= last_day]
        arranged = fitting[0] if fitting else None
        yield Place(slot, _state(slot, arranged, overdue_from, on), overdue_from, arranged)


def _state(slot: Slot, arranged: Scan | None, overdue_from: dt.date, on: dt.date) -> State:
    if on >= overdue_from:
        return "overdue"
    if arranged is not None and arranged.status == "booked":
        return "booked"
    return "due" if slot.window.earliest <= on else "planned"


def _within_horizon(first: Slot, rhythm: Rhythm, on: dt.date) -> Iterator[Slot]:
    """The slots that open within the horizon, and at least two."""
    horizon = timeline.weeks_after(on, rhythm.default["horizon_weeks"])
    for index, slot in enumerate(ahead(first, rhythm)):
        if index > 1 and slot.window.earliest > horizon:
            return
        yield slot


def _arranged(scans: Iterable[Scan], on: dt.date) -> list[Scan]:
    """Brain MRI booked or ordered for the day `on` or later, booked ones first, in order of day."""
    wanted = (
        s for s in scans if s.modality == "MR" and s.region == "brain" and s.status in ("booked", "ordered")
    )
    dated = (s for s in wanted if s.on and s.on >= on)
    return sorted(dated, key=lambda s: (s.status != "booked", s.on or on, s.ref))


def _misplaced(bookings: Iterable[Scan], places: Sequence[Place]) -> Iterator[Outside]:
    fitting = {place.arranged.ref for place in places if place.arranged}
    horizon = max(place.slot.window.latest for place in places)
    for scan in bookings:
        inside = any(place.open and scan.on and place.slot.window.holds(scan.on) for place in places)
        if scan.ref not in fitting and not inside and scan.on and scan.on <= horizon:
            yield Outside(scan, fit(places, scan.on).text)


@dataclass(frozen=True, slots=True)
class Fit:
    """How a proposed day fits the plan; `place` is the window it was measured against."""

    inside: bool
    place: Place
    text: str


def fit(places: Sequence[Place], day: dt.date) -> Fit:
    """Where a scan on `day` would fall among the open windows."""
    open_places = [place for place in places if place.open]
    for place in open_places:
        window = place.slot.window
        if window.holds(day):
            return Fit(True, place, f"inside the window {window.earliest} to {window.latest}")
    begun = [place for place in open_places if place.slot.window.latest < day]
    if not begun:
        place = open_places[0]
        days = (place.slot.window.earliest - day).days
        return Fit(False, place, f"{_in_days(days)} before the window opens on {place.slot.window.earliest}")
    place = begun[-1]
    days = (day - place.slot.window.latest).days
    text = f"{_in_days(days)} after the window closes on {place.slot.window.latest}"
    return Fit(False, place, text + (", within the slack" if day < place.overdue_from else ""))


def _in_days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _scan_questions(record: PatientRecord, on: dt.date) -> Iterator[Question]:
    for scan in sorted(record.scans, key=lambda s: s.ref):
        if scan.modality != "MR" or scan.status not in ("done", "booked"):
            continue
        if scan.status == "done" and scan.on is None and scan.region != "other":
            yield Question(
                "scan-date", scan.ref, "This MRI has no date, so it can close no window. When was it done?"
            )
        elif scan.status == "done" and scan.region == "unknown" and scan.on and scan.on <= on:
            text = f"Was the MRI of {scan.on} of the brain? Its region is not stated, so it closes no window."
            yield Question("scan-region", scan.ref, text)
        elif scan.status == "booked" and scan.region == "brain" and scan.on and scan.on < on:
            text = f"Was the brain MRI booked for {scan.on} done? No result is on record."
            yield Question("scan-result", scan.ref, text)


def _mri_contraindicated(record: PatientRecord, on: dt.date) -> bool:
    fact = facts.current(record.facts, "mri_contraindicated", on)
    return fact is not None and fact.value is True
