"""The one decision of this service: every surveillance rule judged, and one finding that states the plan."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Sequence

import msgspec

from are_surveillance import delivered, imaging, intervals
from are_surveillance.management import rules as treatment
from are_surveillance.reasons import SHORTEN, Reasons, repeats
from are_surveillance.risk import dose_volume, factors
from are_surveillance.schedule import Plan, plan
from are_surveillance.wording import plan_in_words
from are_surveillance.workup import context, signs
from isodose.clinical import facts, logic, rules, timeline
from isodose.clinical.finding import Citation, Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Fact, PatientRecord

RULES = (
    *intervals.RULES,
    *imaging.RULES,
    *factors.RULES,
    *dose_volume.RULES,
    *signs.RULES,
    *context.RULES,
    *treatment.RULES,
)

SCHEDULE = "SUP-SURV-default-interval"
_last = threading.local()


def decide(record: PatientRecord, knowledge: Knowledge, on: dt.date) -> list[Finding]:
    """All findings, met or not, and the plan after radiosurgery. Pure: same input, same bytes."""
    judged = rules.judge(RULES, delivered.as_of(record, on), knowledge, on)
    laid_out = plan_of(record, judged, knowledge, on)
    return [*judged, *_schedule_finding(record, judged, laid_out, knowledge, on)]


def plan_of(record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date) -> Plan:
    """The plan, sooner where findings ask for it, with a repeat where a change without symptoms was seen.

    `findings` are those of `decide` on the same record, knowledge and day. The last plan of a thread is
    remembered: findings, resources and the next turning day of one decision ask for the same one.
    """
    asked = getattr(_last, "asked", None)
    if asked is None or asked[0] is not record or asked[1] is not knowledge or asked[2] != on:
        reasons = Reasons(record, findings, knowledge, on)
        made = plan(
            record,
            knowledge,
            on,
            reasons=reasons.on,
            beside=reasons.beside,
            repeats=repeats(record, knowledge, on),
        )
        _last.asked = asked = (record, knowledge, on, made)
    remembered: Plan = asked[3]
    return remembered


def _schedule_finding(
    record: PatientRecord, judged: Sequence[Finding], laid_out: Plan, knowledge: Knowledge, on: dt.date
) -> Iterator[Finding]:
    """One finding about the course the plan counts from; without one, about the course that is in the way."""
    courses = laid_out.anchors
    about = laid_out.anchor.course if laid_out.anchor else None
    other = about or next(iter((*courses.undated, *courses.ahead, *courses.other)), None)
    if other is None or laid_out.status == "ended":
        return
    stated = rules.finding(SCHEDULE, _interval(laid_out, knowledge, on), rules.View(record, on), knowledge)
    yield msgspec.structs.replace(
        stated,
        applies_to=other.ref,
        summary=plan_in_words(laid_out),
        sources=tuple(_sources(laid_out, knowledge)),
        change=" ".join(_open_points(laid_out, judged)),
    )


def _interval(laid_out: Plan, knowledge: Knowledge, on: dt.date) -> logic.Term:
    anchor = laid_out.anchor
    if anchor is None:
        return logic.missing("months_since_srs")
    since = Fact(
        name="months_since_srs",
        value=timeline.months_between(anchor.day, on),
        unit=facts.definition("months_since_srs").unit,
        source=anchor.course.ref,
        certainty=anchor.course.certainty,
        stated=False,
    )
    return intervals.interval_from(logic.known(since), knowledge.values(SCHEDULE, on))


def _sources(laid_out: Plan, knowledge: Knowledge) -> Iterator[Citation]:
    """The sources of every entry that the plan rests on, each once; what stands beside it cites its own."""
    bases = {place.slot.basis for place in laid_out.places if place.open}
    codes = dict.fromkeys([SCHEDULE, *sorted(bases)])
    shown = (source for code in codes for source in knowledge.entry(code).evidence)
    return iter(dict.fromkeys(shown))


def _open_points(laid_out: Plan, judged: Sequence[Finding]) -> Iterator[str]:
    for question in laid_out.questions:
        yield question.text
    yield from laid_out.arguments
    undecided = {name for f in judged if f.code == SHORTEN and f.verdict == "unknown" for name in f.missing}
    if undecided and laid_out.status == "active" and not laid_out.shortened_by:
        words = (facts.definition(name).definition for name in sorted(undecided))
        yield f"A shorter interval could be offered once known: {'; '.join(words)}."
