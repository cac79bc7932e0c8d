"""Scans booked or ordered, and how a proposed day fits the windows of a plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from are_surveillance.places import Place
from are_surveillance.windows import Outside
from isodose.clinical.record import Scan


def arranged(scans: Iterable[Scan], on: dt.date, modalities: Sequence[str]) -> list[Scan]:
    """Brain scans booked or ordered for the day `on` or later, booked ones first, in order of day."""
    wanted = (
        s
        for s in scans
        if s.modality in modalities and s.region == "brain" and s.status in ("booked", "ordered")
    )
    dated = (s for s in wanted if s.on and s.on >= on)
    return sorted(dated, key=lambda s: (s.status != "booked", s.on or on, s.ref))


def misplaced(bookings: Iterable[Scan], places: Sequence[Place]) -> Iterator[Outside]:
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


def fit(places: Sequence[Place], day: dt.date, until: dt.date | None = None) -> Fit:
    """Where a scan on `day`, or on one from then `until`, would fall among the open windows."""
    open_places = [place for place in places if place.open]
    for place in open_places:
        window = place.slot.window
        if window.earliest <= (until or day) and day <= window.latest:
            return Fit(True, place, f"inside the window {window.earliest} to {window.latest}")
    begun = [place for place in open_places if place.slot.window.latest < day]
    if not begun:
        place = open_places[0]
        days = (place.slot.window.earliest - (until or day)).days
        return Fit(False, place, f"{_in_days(days)} before the window opens on {place.slot.window.earliest}")
    place = begun[-1]
    days = (day - place.slot.window.latest).days
    text = f"{_in_days(days)} after the window closes on {place.slot.window.latest}"
    return Fit(False, place, text + (", within the slack" if day < place.overdue_from else ""))


def _in_days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
