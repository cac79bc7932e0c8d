"""One piece of open work: what it is, who does it, by when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "book",
    "due",
    "overdue",
    "lost",
    "decide-imaging",
    "post-operative",
    "question",
    "work-up",
    "treatment",
    "decide-surveillance",
]

TITLE: Mapping[Kind, str] = {
    "book": "Book the surveillance brain MRI",
    "due": "Surveillance brain MRI is due",
    "overdue": "Surveillance brain MRI is overdue",
    "lost": "Lost to follow-up after radiosurgery",
    "decide-imaging": "MRI is contraindicated: decide how to image",
    "post-operative": "MRI after the resection",
    "question": "Confirm for the surveillance plan",
    "work-up": "Work up new or growing enhancement",
    "treatment": "Treat a symptomatic adverse radiation effect",
    "decide-surveillance": "Decide whether surveillance goes on after 5 years",
}

OWNER: Mapping[Kind, str] = {
    "book": "Follow-up coordinator",
    "due": "Follow-up coordinator",
    "overdue": "Follow-up coordinator",
    "lost": "Radiation oncologist",
    "decide-imaging": "Radiation oncologist",
    "post-operative": "Neurosurgeon",
    "question": "Radiation oncology follow-up team",
    "work-up": "Radiation oncologist",
    "treatment": "Neuro-oncology tumour board",
    "decide-surveillance": "Radiation oncologist",
}
"""The role that does it; a site may assign the Task to a person or team of its own."""


@dataclass(frozen=True, slots=True)
class Todo:
    """`key` stays while days pass; `slot_key` names the window it is about; `first` and `last` are the days
    in which it is wanted, `due` the day by which it should be done. `step` and `state` tell where a work-up
    stands, `headline` is shorter than `text` where that is long, `notes` are further lines to read.
    """

    kind: Kind
    key: str
    text: str
    about: str
    first: dt.date | None = None
    last: dt.date | None = None
    due: dt.date | None = None
    urgent: bool = False
    slot_key: str = ""
    codes: tuple[str, ...] = ()
    state: str = ""
    step: str = ""
    headline: str = ""
    notes: tuple[str, ...] = ()


def within(todo: Todo, days: int) -> Todo:
    """`todo` due so many days after it first stood, by local policy; as it is where it has a day of its own
    or none to count from.
    """
    if todo.due is not None or todo.last is not None or todo.first is None:
        return todo
    note = f"Due within {days} days by local policy; no source gives a day."
    return replace(todo, due=todo.first + dt.timedelta(days=days), notes=(*todo.notes, note))
