"""The open work on one lesion that changes: the next best step of its work-up, and its treatment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from are_surveillance.management.options import TITLE, Treatment, treatments
from are_surveillance.todo import Todo
from are_surveillance.workup.results import Result
from are_surveillance.workup.states import STATE_NAME, WorkUp
from are_surveillance.workup.steps import steps
from isodose.clinical import facts
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord

_SIDE = {"recurrence": "for recurrence", "are": "for ARE", "neither": "for neither side"}
_STANDS = {"met": "in question", "not-met": "not in question", "unknown": "cannot be judged yet"}
_ORDER = ("met", "unknown", "not-met")
_CONTEXT = ("ARE-DX-salvage-context", "SUP-RESP-irano", "SUP-ARE-biopsy-yield", "ARE-DX-imaging-trials")


def work_up(workup: WorkUp, record: PatientRecord, knowledge: Knowledge, on: dt.date) -> Iterator[Todo]:
    """The next best step, with the evidence so far and the steps after it; nothing where none is left."""
    left = steps(workup, record, knowledge, on)
    if not left:
        return
    best, *later = left
    notes = [_line(result) for result in workup.results]
    notes += [f"Then: {step.text}" for step in later]
    notes += [f.summary for f in workup.findings if f.code in _CONTEXT and f.verdict == "met"]
    onset = knowledge.entry("SUP-ARE-onset").statement
    notes += [
        f"{onset} This lesion: {str(f.value).replace('_', ' ')} (SUP-ARE-onset)."
        for f in workup.findings
        if f.code == "SUP-ARE-onset" and f.value
    ]
    yield Todo(
        "work-up",
        f"work-up/{workup.lesion}",
        f"{STATE_NAME[workup.state]}. {workup.why} Next: {best.text}",
        workup.lesion,
        first=best.first or workup.since,
        last=best.last,
        due=best.last,
        urgent=workup.symptomatic is not False or workup.state == "progression-likely",
        codes=tuple(dict.fromkeys(("ARE-DX-trigger", *best.codes))),
        state=workup.state,
        step=best.name,
        headline=f"{_named(record, workup.lesion)}: {STATE_NAME[workup.state].lower()}. Next: {best.text}",
        notes=tuple(notes),
    )


def _named(record: PatientRecord, lesion: str) -> str:
    label = next((s.label for s in record.of_scope("lesion") if s.ref == lesion), "")
    return label or "Irradiated lesion"


def _line(result: Result) -> str:
    day = result.on.isoformat() if result.on else "no day"
    limit = f" Not counted: {result.limit}." if result.limit else ""
    return (
        f"{day}, {result.test}, {_SIDE[result.points]}: {result.text} ({result.source}, {result.code}){limit}"
    )


def treatment(
    workup: WorkUp, record: PatientRecord, findings: Sequence[Finding], knowledge: Knowledge, on: dt.date
) -> Iterator[Todo]:
    """The treatments of a symptomatic effect, each with its grade of evidence and what is against it."""
    if not workup.met("ARE-MGMT-steroid-first"):
        return
    offered = treatments(workup, record, findings, knowledge, on)
    if not offered:
        return
    possible = [TITLE[one.name] for one in offered if one.stands == "met"]
    cautioned = [TITLE[one.name] for one in offered if one.stands == "met" and one.against]
    text = f"Symptoms attributed to an adverse radiation effect. In question: {', '.join(possible)}."
    if cautioned:
        text += f" With something against it in the record: {', '.join(cautioned)}."
    yield Todo(
        "treatment",
        f"treatment/{workup.lesion}",
        text,
        workup.lesion,
        first=workup.since,
        urgent=True,
        codes=tuple(dict.fromkeys(f.code for one in offered for f in one.for_)),
        headline=f"{_named(record, workup.lesion)}: symptomatic adverse radiation effect. In question: "
        f"{', '.join(possible)}.",
        state=workup.state,
        notes=tuple(_treatment_line(t) for t in sorted(offered, key=lambda t: _ORDER.index(t.stands))),
    )


def _treatment_line(one: Treatment) -> str:
    parts = [f"{TITLE[one.name]} ({one.strength.replace('_', ' ')}): {_STANDS[one.stands]}"]
    if one.missing:
        parts.append("not known: " + ", ".join(facts.definition(name).definition for name in one.missing))
    if one.for_:
        parts.append("for it: " + " ".join(f"{f.summary} ({f.code})" for f in one.for_))
    if one.against:
        parts.append("against it: " + " ".join(one.against))
    return "; ".join(parts)
