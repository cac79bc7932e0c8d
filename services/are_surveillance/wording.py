"""The plan in words that a clinic reads: short sentences, every day written out."""

from __future__ import annotations

from are_surveillance.anchors import KIND
from are_surveillance.places import Place
from are_surveillance.schedule import Plan
from are_surveillance.windows import REPEAT
from isodose.clinical.record import Course, Fact


def kind(course: Course) -> str:
    """What the course was, with the doubt about it."""
    doubt = {"sure": "", "likely": " (likely)", "ask": " (to be confirmed)"}[course.certainty]
    return KIND[course.kind] + doubt


def plan_in_words(plan: Plan) -> str:
    """One or two sentences on where surveillance stands."""
    if plan.status == "ended":
        return "Surveillance has ended."
    if plan.status == "none":
        other = ", ".join(sorted({kind(course) for course in plan.anchors.other}))
        given = f" On record: {other}." if other else ""
        return (
            f"No radiosurgery of the brain is on record, so no surveillance MRI is planned after it.{given}"
        )
    if plan.status == "ahead":
        return "Surveillance begins when radiosurgery is completed; its windows count from the last fraction."
    if plan.status == "undated":
        return "Radiosurgery was given, its day is not on record: no MRI window can be laid out until it is."
    if plan.active is None:
        raise ValueError("an active plan has an open window")
    if plan.pause is not None:
        return (
            f"Surveillance is paused{_since(plan.pause)}: {_PAUSE[str(plan.pause.value)]}"
            f"{_read_from(plan.pause)}. {_resumed(plan)}"
        )
    return active_in_words(plan, plan.active)


_PAUSE = {
    "hospice": "hospice care",
    "declined": "the patient declines",
    "ended": "the team has ended it",
}


def _since(pause: Fact) -> str:
    return f" since {pause.on}" if pause.on else ""


def _read_from(pause: Fact) -> str:
    return "" if pause.stated else f", read from {pause.source} and to be confirmed"


def _resumed(plan: Plan) -> str:
    window = plan.active.slot.window if plan.active else None
    return f"If it resumes, the window is {window.earliest} to {window.latest}." if window else ""


def active_in_words(plan: Plan, place: Place) -> str:
    """The window to act on now or next."""
    window = place.slot.window
    span = f"{window.earliest} to {window.latest}"
    if place.state in ("overdue", "lost"):
        lost = f" Lost to follow-up since {place.lost_from}." if place.state == "lost" else ""
        overdue = f"Brain MRI is overdue since {place.overdue_from}.{lost}"
        return f"{overdue} {last_scan_in_words(plan)}{_missed(plan)}{_arranged(place)}"
    if place.state == "booked" and place.arranged:
        return f"Brain MRI is booked for {place.arranged.on}; its window is {span}."
    opening = "Brain MRI is due" if place.state == "due" else "The next brain MRI is wanted"
    best = f", best by {window.target}" if window.target != window.latest else ""
    repeat = place.slot.basis == REPEAT
    what = "a short-interval repeat" if repeat else f"scan {place.slot.number} after radiosurgery"
    return f"{opening}: {span}{best}, {what}.{_arranged(place)}"


def last_scan_in_words(plan: Plan) -> str:
    """When the brain was last scanned, as far as is known."""
    day = plan.anchor.day if plan.anchor else None
    last = plan.last_scan.on if plan.last_scan else None
    if last is None or (day is not None and last <= day):
        return f"None is on record since radiosurgery ended on {day}."
    return f"The last one on record was on {last}."


def _missed(plan: Plan) -> str:
    if not plan.missed:
        return ""
    windows = "window" if plan.missed == 1 else "windows"
    return f" {plan.missed} earlier {windows} passed without a scan on record."


def _arranged(place: Place) -> str:
    if place.arranged is None:
        return ""
    word = "Booked" if place.arranged.status == "booked" else "Ordered"
    return f" {word} for {place.arranged.on}."
