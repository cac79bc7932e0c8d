"""Why a scan comes sooner: findings that shorten the interval, and changes after which a scan is repeated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from are_surveillance import delivered, imaging, intervals
from are_surveillance.anchors import Anchor
from are_surveillance.delivered import plan_of
from are_surveillance.risk import dose_volume, factors
from are_surveillance.risk.as_treated import BY_SIZE, as_treated, sized
from isodose.clinical import rules, timeline
from isodose.clinical.derive.courses import lesions_of
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord, Subject
from isodose.clinical.rules import View

SHORTEN = "SUP-SURV-shorten"
_RULES = (*intervals.RULES, *factors.RULES, *dose_volume.RULES)


class Reasons:
    """Which entries shorten the interval after a course, as known on a day.

    A window that a scan has closed is judged on the day of that scan: what becomes known later revises what
    is still ahead, and nothing that was done.
    """

    def __init__(
        self, record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
    ) -> None:
        self._record, self._knowledge, self._on = record, knowledge, on
        known = knowledge.values(SHORTEN, on)
        self._codes: tuple[str, ...] = tuple(known["shortened_by"])
        self._beside: tuple[str, ...] = tuple(known["without_interval"])
        wanted = [rule for rule in _RULES if rule.code in self._codes]
        self._by_size = [rule for rule in wanted if rule.code in BY_SIZE]
        self._others = [rule for rule in wanted if rule.code not in BY_SIZE]
        self._findings = findings
        self._found: dict[tuple[Anchor, dt.date], set[str]] = {}

    def on(self, anchor: Anchor, day: dt.date) -> tuple[str, ...]:
        """The entries met on the day that shorten the interval, as it was known then."""
        met = self._met(anchor, day)
        return tuple(code for code in self._codes if code in met)

    def beside(self, anchor: Anchor) -> tuple[str, ...]:
        """The entries met now that change no interval, because no source gives one."""
        met = self._met(anchor, self._on)
        return tuple(code for code in self._beside if code in met)

    def _met(self, anchor: Anchor, day: dt.date) -> set[str]:
        """The entries met on the day, about the patient or about what the course treated."""
        if (anchor, day) not in self._found:
            lesions, _ = lesions_of(anchor.course, self._record)
            met = self._now(anchor, lesions) if day == self._on else self._then(anchor, lesions, day)
            self._found[anchor, day] = met
        return self._found[anchor, day]

    def _now(self, anchor: Anchor, lesions: Sequence[str]) -> set[str]:
        """From the findings of this day, with sizes as they were treated."""
        known = delivered.as_of(self._record, self._on)
        judged = as_treated(known, self._findings, anchor, lesions, knowledge=self._knowledge, on=self._on)
        about = _about(anchor, lesions)
        return {f.code for f in judged if f.verdict == "met" and (about is None or f.applies_to in about)}

    def _then(self, anchor: Anchor, lesions: Sequence[str], day: dt.date) -> set[str]:
        """The same on an earlier day: only the entries that shorten, and without a finding for each."""
        known = delivered.with_acting_drugs(self._record, day)
        about = _about(anchor, lesions)
        found = rules.met(self._others, known, self._knowledge, day, about)
        treated = {"", *lesions}
        found |= rules.met(self._by_size, sized(known, anchor, lesions), self._knowledge, day, treated)
        if about is None:
            rest = {s.ref for s in known.of_scope("lesion")} - treated
            found |= rules.met(self._by_size, known, self._knowledge, day, rest)
        return found


def _about(anchor: Anchor, lesions: Sequence[str]) -> set[str] | None:
    """What findings may be about to count for a course; anything where it names no lesion."""
    return {"", *lesions, anchor.course.ref, plan_of(anchor.course)} if lesions else None


def repeats(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> tuple[dt.date, ...]:
    """The days up to `on` on which new or growing enhancement was seen that asks for a repeat scan.

    Whether it gives symptoms is judged as known when the next scan was done, or on the day `on`.
    """
    scanned = sorted(
        s.on for s in record.scans if s.on and s.on <= on and (s.region, s.status) == ("brain", "done")
    )
    known = knowledge.values("SUP-SURV-suspicious-repeat", on)
    found = set()
    for lesion in record.of_scope("lesion"):
        for seen in _days_of_change(lesion, on):
            judged_on = timeline.nearest_after(scanned, seen + timeline.DAY) or on
            if imaging.repeat_soon(View(record, judged_on, lesion), known).value is True:
                found.add(seen)
    return tuple(sorted(found))


def _days_of_change(lesion: Subject, on: dt.date) -> list[dt.date]:
    return [
        fact.on
        for fact in lesion.facts
        if fact.name == "new_or_growing_enhancement" and fact.value is True and fact.on and fact.on <= on
    ]
