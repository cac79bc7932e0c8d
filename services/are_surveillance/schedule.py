"""The surveillance plan of one patient: one plan over all courses, each window with its state on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from are_surveillance import passed, pauses
from are_surveillance.anchors import Anchor, Anchors, Question, anchors
from are_surveillance.arguments import arguments
from are_surveillance.arrangements import arranged, misplaced
from are_surveillance.places import Lateness, Place, standing
from are_surveillance.postoperative import Postoperative, postoperative
from are_surveillance.windows import (
    Outside,
    Rhythm,
    Shortened,
    Slot,
    ahead,
    close,
    follow_up_scans,
    never_shortened,
    per_course,
)
from isodose.clinical import timeline
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Fact, PatientRecord, Scan

Status = Literal["none", "ahead", "undated", "active", "ended"]


@dataclass(frozen=True, slots=True)
class Plan:
    """`none`: no radiosurgery was given or planned; `ahead`: planned or under way only; `undated`: given on a
    day not known; `active`: windows are laid out; `ended`: the patient has died. `passed` are the windows
    that are over without a scan, `beyond` is the first window past the horizon. `pause` says why nothing is
    asked for at present: the windows stay where they are. `resumed` is the day on which the team recorded
    that it goes on. `shortened_by` are the entries for which scans come sooner, `arguments` what is present
    and changes no interval, a sentence each.
    """

    status: Status
    anchors: Anchors
    places: tuple[Place, ...] = ()
    passed: tuple[Slot, ...] = ()
    outside: tuple[Outside, ...] = ()
    misplaced: tuple[Outside, ...] = ()
    questions: tuple[Question, ...] = ()
    last_scan: Scan | None = None
    beyond: Slot | None = None
    shortened_by: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    mri_contraindicated: Fact | None = None
    pause: Fact | None = None
    resumed: dt.date | None = None
    postoperative: tuple[Postoperative, ...] = ()

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


def _nothing_beside(_anchor: Anchor) -> Sequence[str]:
    return ()


def plan(
    record: PatientRecord,
    knowledge: Knowledge,
    on: dt.date,
    *,
    reasons: Shortened = never_shortened,
    beside: Callable[[Anchor], Sequence[str]] = _nothing_beside,
    repeats: Sequence[dt.date] = (),
) -> Plan:
    """The plan as it stands on the day `on`. The same record gives the same windows on any day."""
    courses = anchors(record.courses, on)
    questions = (*courses.questions, *_scan_questions(record, on), *pauses.questions(record, on))
    if record.deceased:
        return Plan("ended", courses)
    operated = postoperative(record, knowledge, on)
    said = pauses.standing(record, on)
    now = Plan(
        "active",
        courses,
        questions=questions,
        mri_contraindicated=pauses.contraindication(record, on),
        pause=said if said and said.value != "none" else None,
        resumed=said.on if said and said.stated and said.value == "none" else None,
        postoperative=operated,
    )
    if not courses.given:
        status: Status = "undated" if courses.undated else "ahead" if courses.ahead else "none"
        return replace(now, status=status, questions=questions if status != "none" else ())
    rhythm = Rhythm.of(knowledge, on, reasons, repeats)
    modalities = ("MR", "CT") if now.mri_contraindicated else ("MR",)
    after_operation = {one.scan.ref for one in operated if one.scan}
    others = [scan for scan in record.scans if scan.ref not in after_operation]
    scans = follow_up_scans(others, on, rhythm.default["same_scan_days"], lambda scan: _counts(scan, record))
    lateness = Lateness.of(knowledge, on)
    closings = [close(anchor, following, rhythm) for anchor, following in per_course(courses.given, scans)]
    closed = [slot for done, _, _ in closings for slot in done]
    outside = [one for _, between, _ in closings for one in between]
    left_open = [slot for _, _, slot in closings]
    bookings = arranged(record.scans, on, modalities)
    slots = list(_within_horizon(left_open[-1], rhythm, on))
    open_places = list(standing(slots, rhythm, bookings, lateness, on))
    begun = [anchor.day for anchor in courses.given[1:]]
    behind = [
        *passed.overtaken(closed, rhythm, lateness),
        *passed.given_up(left_open, begun, rhythm, lateness),
    ]
    done_places = [lateness.place(slot, "completed") for slot in closed]
    return replace(
        now,
        places=(*done_places, *open_places),
        passed=passed.without_scan([*behind, *passed.missed(open_places)], record, on),
        outside=tuple(outside),
        misplaced=tuple(misplaced(bookings, open_places)),
        last_scan=scans[-1] if scans else None,
        beyond=rhythm.next_slot(slots[-1].anchor, slots[-1].number + 1, slots[-1].window.target),
        shortened_by=reasons(courses.given[-1], on),
        arguments=tuple(arguments(record, courses.given[-1], beside(courses.given[-1]), knowledge, on)),
    )


def _within_horizon(first: Slot, rhythm: Rhythm, on: dt.date) -> Iterator[Slot]:
    """The slots that open within the horizon, and at least two."""
    horizon = timeline.weeks_after(on, rhythm.default["horizon_weeks"])
    for index, slot in enumerate(ahead(first, rhythm)):
        if index > 1 and slot.window.earliest > horizon:
            return
        yield slot


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


def _counts(scan: Scan, record: PatientRecord) -> bool:
    """An MRI, or a CT done while MRI was contraindicated (SUP-SAFE-no-mri)."""
    if scan.modality == "CT" and scan.on is not None:
        return pauses.contraindication(record, scan.on) is not None
    return scan.modality == "MR"
