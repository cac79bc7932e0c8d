"""Why a scan comes sooner: findings that shorten the interval, and changes after which a scan is repeated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from are_surveillance import delivered, imaging, intervals
from are_surveillance.anchors import Anchor
from are_surveillance.delivered import plan_of
from are_surveillance.risk import dose_volume, factors
from are_surveillance.risk.as_treated import as_treated
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
        self._rules = [rule for rule in _RULES if rule.code in self._codes]
        self._findings = {on: findings}
        self._known: dict[dt.date, PatientRecord] = {}

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
        course = anchor.course
        lesions, _ = lesions_of(course, self._record)
        about = {"", *lesions, course.ref, plan_of(course)}
        known, findings = self._judged(day)
        judged = as_treated(known, findings, anchor, lesions, knowledge=self._knowledge, on=day)
        return {f.code for f in judged if f.verdict == "met" and (f.applies_to in about or not lesions)}

    def _judged(self, day: dt.date) -> tuple[PatientRecord, Sequence[Finding]]:
        if day not in self._known:
            self._known[day] = delivered.as_of(self._record, day)
        if day not in self._findings:
            self._findings[day] = rules.judge(self._rules, self._known[day], self._knowledge, day)
        return self._known[day], self._findings[day]


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
