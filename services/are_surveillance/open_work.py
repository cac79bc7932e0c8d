"""What somebody has to do now: book a scan, chase an overdue one, answer a question, work up a lesion."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from are_surveillance.schedule import Place, Plan
from are_surveillance.wording import active_in_words, plan_in_words
from isodose.clinical import timeline
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge

Kind = Literal["book", "due", "overdue", "decide-imaging", "question", "work-up", "decide-surveillance"]

TITLE: dict[Kind, str] = {
    "book": "Book the surveillance brain MRI",
    "due": "Surveillance brain MRI is due",
    "overdue": "Surveillance brain MRI is overdue",
    "decide-imaging": "MRI is contraindicated: decide how to image",
    "question": "Confirm for the surveillance plan",
    "work-up": "Work up new or growing enhancement",
    "decide-surveillance": "Decide whether surveillance goes on after 5 years",
}


@dataclass(frozen=True, slots=True)
class Todo:
    """One piece of open work. `key` stays while days pass; `slot_key` names the window it is about."""

    kind: Kind
    key: str
    text: str
    about: str
    first: dt.date | None = None
    last: dt.date | None = None
    urgent: bool = False
    slot_key: str = ""
    codes: tuple[str, ...] = ()


def open_work(plan: Plan, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date) -> list[Todo]:
    """Everything open on the day, most pressing first."""
    found = [
        *_scan(plan, knowledge, on),
        *_work_up(findings, knowledge, on),
        *_undated(plan),
        *(Todo("question", f"question/{q.code}/{q.about}", q.text, q.about) for q in plan.questions),
        *_five_years(plan, knowledge, on),
    ]
    return sorted(found, key=lambda todo: not todo.urgent)


def _scan(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[Todo]:
    place = plan.active
    if place is None or plan.anchor is None:
        return
    kind = _kind(place, knowledge, on)
    if kind is None:
        return
    about = plan.anchor.course.ref
    text = active_in_words(plan, place)
    if plan.mri_contraindicated:
        kind, text = (
            "decide-imaging",
            f"MRI is recorded as contraindicated; ask the team how to image instead. {text}",
        )
    yield Todo(
        kind,
        f"scan/{about}/{plan.first_open_number}",
        text,
        about,
        place.slot.window.earliest,
        place.slot.window.latest,
        urgent=place.state == "overdue",
        slot_key=place.slot.key,
        codes=(place.slot.basis,),
    )


def _kind(place: Place, knowledge: Knowledge, on: dt.date) -> Kind | None:
    if place.state == "overdue":
        return "overdue"
    if place.state == "due":
        return "due"
    if place.state == "planned" and place.arranged is None and on >= book_from(place, knowledge, on):
        return "book"
    return None


def book_from(place: Place, knowledge: Knowledge, on: dt.date) -> dt.date:
    """The day from which a window without a scan arranged asks for one."""
    weeks = knowledge.values("SUP-SURV-default-interval", on)["book_ahead_weeks"]
    return timeline.weeks_after(place.slot.window.earliest, -weeks)


def _work_up(findings: Iterable[Finding], knowledge: Knowledge, on: dt.date) -> Iterator[Todo]:
    """One per lesion with new or growing enhancement, and when to repeat the scan where that may wait."""
    repeat = {
        f.applies_to: f for f in findings if f.code == "SUP-SURV-suspicious-repeat" and f.verdict == "met"
    }
    values = knowledge.values("SUP-SURV-suspicious-repeat", on)
    for finding in findings:
        if finding.code != "ARE-DX-trigger" or finding.verdict != "met":
            continue
        waiting = repeat.get(finding.applies_to)
        seen = next((f.on for f in finding.facts if f.on), None)
        yield Todo(
            "work-up",
            f"work-up/{finding.applies_to}",
            f"{finding.summary} {waiting.summary}" if waiting else finding.summary,
            finding.applies_to,
            timeline.weeks_after(seen, values["earliest_weeks"]) if waiting and seen else seen,
            timeline.weeks_after(seen, values["latest_weeks"]) if waiting and seen else None,
            urgent=True,
            codes=("ARE-DX-trigger", *(("SUP-SURV-suspicious-repeat",) if waiting else ())),
        )


def _undated(plan: Plan) -> Iterator[Todo]:
    if plan.status == "undated":
        about = plan.anchors.undated[0].ref
        yield Todo("question", f"question/no-day/{about}", plan_in_words(plan), about, urgent=True)


def _five_years(plan: Plan, knowledge: Knowledge, on: dt.date) -> Iterator[Todo]:
    if plan.anchor is None or plan.status != "active":
        return
    months = knowledge.values("SUP-SURV-duration", on)["ask_from_months"]
    since = timeline.months_after(plan.anchor.day, months)
    if since <= on:
        entry = knowledge.entry("SUP-SURV-duration")
        about = plan.anchor.course.ref
        text = f"{entry.met} {entry.action}"
        yield Todo(
            "decide-surveillance", f"five-years/{about}", text, about, since, codes=("SUP-SURV-duration",)
        )
