"""What somebody has to do now: book or chase a scan, answer a question, work up or treat a lesion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from are_surveillance.knowledge import task_days
from are_surveillance.lesion_work import treatment, work_up
from are_surveillance.places import Place
from are_surveillance.schedule import Plan
from are_surveillance.todo import Kind, Todo, within
from are_surveillance.wording import active_in_words, plan_in_words
from are_surveillance.workup.states import workups
from isodose.clinical import timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Fact, PatientRecord

BY_STATE: Mapping[str, Kind] = {"lost": "lost", "overdue": "overdue", "due": "due"}


def open_work(
    record: PatientRecord, plan: Plan, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> list[Todo]:
    """Everything open on the day, most pressing first; nothing after death, and under hospice care only
    what has to be confirmed.
    """
    if plan.status == "ended":
        return []
    asked = [*_undated(plan), *_questions(plan, on)]
    if plan.pause is not None and plan.pause.value == "hospice":
        return _in_order(asked, knowledge)
    found = [
        *_scan(plan, knowledge, on),
        *_after_operations(plan, on),
        *asked,
        *_five_years(plan, knowledge, on),
    ]
    for workup in workups(record, findings, knowledge, on):
        found.extend(work_up(workup, record, knowledge, on))
        found.extend(treatment(workup, record, findings, knowledge, on))
    return _in_order(found, knowledge)


def _in_order(found: Sequence[Todo], knowledge: Knowledge) -> list[Todo]:
    """The most pressing first. What has no day of its own is due as the site has chosen, if it has."""
    days = task_days(knowledge)
    due = [within(todo, days[todo.kind]) if todo.kind in days else todo for todo in found]
    return sorted(due, key=lambda todo: not todo.urgent)


def _questions(plan: Plan, on: dt.date) -> Iterator[Todo]:
    due = _next_turn(plan, on)
    for q in plan.questions:
        yield Todo("question", f"question/{q.code}/{q.about}", q.text, q.about, due=due)


def _next_turn(plan: Plan, on: dt.date) -> dt.date | None:
    """The next day on which the plan acts, by which it has to know: a window opens, or a scan is overdue."""
    ahead = (
        day
        for place in plan.places
        if place.open
        for day in (place.slot.window.earliest, place.overdue_from, place.lost_from)
    )
    return min((day for day in ahead if day > on), default=None)


def _scan(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[Todo]:
    place = plan.active
    if place is None or plan.anchor is None or plan.pause is not None:
        return
    kind = _kind(place, knowledge, on)
    if kind is None:
        return
    about = plan.anchor.course.ref
    todo = Todo(
        kind,
        f"scan/{about}/{plan.first_open_number}",
        active_in_words(plan, place),
        about,
        first=place.slot.window.earliest,
        last=place.slot.window.latest,
        due=_due(kind, place, knowledge, on),
        urgent=kind in ("overdue", "lost"),
        slot_key=place.slot.key,
        codes=(place.slot.basis, *plan.shortened_by[:1]),
    )
    if plan.mri_contraindicated:
        why = against_mri(plan.mri_contraindicated)
        text = f"{why} Decide how to image; contrast CT sees less. {todo.text}"
        todo = replace(todo, kind="decide-imaging", text=text, codes=("SUP-SAFE-no-mri", *todo.codes))
    yield todo


def against_mri(fact: Fact) -> str:
    """What is recorded against MRI, in words."""
    return "MRI is recorded as contraindicated." if fact.stated else " ".join(fact.reasons)


def _kind(place: Place, knowledge: Knowledge, on: dt.date) -> Kind | None:
    if place.state in BY_STATE:
        return BY_STATE[place.state]
    if place.state == "planned" and place.arranged is None and on >= book_from(place, knowledge, on):
        return "book"
    return None


def _due(kind: Kind, place: Place, knowledge: Knowledge, on: dt.date) -> dt.date:
    """A scan is booked before its window opens, done by its latest day, and chased within the slack."""
    if kind == "book":
        return place.slot.window.earliest
    if kind == "due":
        return place.slot.window.latest
    slack = knowledge.values("SUP-SURV-overdue", on)["slack_weeks"]
    return timeline.weeks_after(place.lost_from if kind == "lost" else place.overdue_from, slack)


def book_from(place: Place, knowledge: Knowledge, on: dt.date) -> dt.date:
    """The day from which a window without a scan arranged asks for one."""
    weeks = knowledge.values("SUP-SURV-default-interval", on)["book_ahead_weeks"]
    return timeline.weeks_after(place.slot.window.earliest, -weeks)


def _after_operations(plan: Plan, on: dt.date) -> Iterator[Todo]:
    for one in plan.postoperative:
        if one.state == "due" and plan.pause is None and not plan.mri_contraindicated:
            day, best, last = one.window.earliest, one.window.target, one.window.latest
            text = (
                f"Contrast MRI after the resection on {day}: best within {one.target_hours} hours ({best}), "
            )
            text += f"at the latest on {last}."
            yield Todo(
                "post-operative",
                f"post-operative/{one.operation.ref}",
                text,
                one.operation.ref,
                first=one.window.earliest,
                last=one.window.latest,
                due=one.window.target,
                urgent=True,
                codes=("SUP-SURV-postop-mri",),
            )


def _undated(plan: Plan) -> Iterator[Todo]:
    if plan.status == "undated":
        about = plan.anchors.undated[0].ref
        yield Todo("question", f"question/no-day/{about}", plan_in_words(plan), about, urgent=True)


def _five_years(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[Todo]:
    if plan.anchor is None or plan.status != "active" or plan.pause is not None:
        return
    months = knowledge.values("SUP-SURV-duration", on)["ask_from_months"]
    since = timeline.months_after(plan.anchor.day, months)
    answered = plan.resumed is not None and plan.resumed >= since
    if since <= on and not answered:
        entry = knowledge.entry("SUP-SURV-duration")
        about = plan.anchor.course.ref
        text = f"{entry.met} {entry.action}"
        codes = ("SUP-SURV-duration",)
        yield Todo(
            "decide-surveillance",
            f"five-years/{about}",
            text,
            about,
            first=since,
            due=_next_turn(plan, on),
            codes=codes,
        )
