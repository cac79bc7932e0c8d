"""What lines of a file come to: resources kept, deletions carried out, what the EHR left out noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ehr_ingestion.bulk.ledger import SetAside
from ehr_ingestion.bulk.manifest import Kind
from ehr_ingestion.keeping import keep, remove
from ehr_ingestion.outcomes import Outcome
from isodose.fhir.stored import Stored
from isodose.service import Work


class Numbered(NamedTuple):
    """A line by its number in the file, from 1. `text` is None where it is longer than allowed."""

    number: int
    text: bytes | None


@dataclass
class Taken:
    outcomes: list[Outcome] = field(default_factory=list)
    aside: list[SetAside] = field(default_factory=list)
    changed: list[Stored] = field(default_factory=list)

    def refuse(self, file: int, line: int, place: str, reason: str, text: bytes | None = None) -> None:
        self.aside.append(SetAside(file, line, place, reason, text))


class _Request(msgspec.Struct, frozen=True):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct):
    request: _Request = _Request()


class _Deletions(msgspec.Struct):
    entry: list[_Entry] = []


class _Issue(msgspec.Struct):
    severity: str = "error"
    code: str = "unknown"


class _Outcome(msgspec.Struct):
    issue: list[_Issue] = []


def take(work: Work, kind: Kind, file: int, lines: Sequence[Numbered], longest: int) -> Taken:
    """In the transaction of `work`. A line that cannot be taken leaves the others as they are."""
    taken = Taken()
    read = []
    for line in lines:
        if line.text is None:
            taken.refuse(file, line.number, "", f"The line is longer than {longest} bytes.")
        elif line.text:
            read.append((line.number, line.text))
    _BY_KIND[kind](work, file, read, taken)
    return taken


_Read = list[tuple[int, bytes]]


def _resources(work: Work, file: int, read: _Read, taken: Taken) -> None:
    taken.outcomes, taken.changed = keep(work, [text for _, text in read])
    for (number, text), outcome in zip(read, taken.outcomes, strict=True):
        if outcome.became == "refused":
            waits = text if outcome.is_passing else None
            taken.refuse(file, number, outcome.place, outcome.reason, waits)


def _deletions(work: Work, file: int, read: _Read, taken: Taken) -> None:
    """Each line is a Bundle whose entries name what was deleted."""
    for number, text in read:
        try:
            entries = msgspec.json.decode(text, type=_Deletions).entry
        except msgspec.DecodeError:
            taken.refuse(file, number, "", "The line is not a Bundle.")
            continue
        places = [entry.request.url for entry in entries if entry.request.method == "DELETE"]
        if len(places) < len(entries):
            taken.refuse(file, number, "", "An entry of the Bundle is not a deletion.")
        outcomes, changed = remove(work, places)
        taken.outcomes += outcomes
        taken.changed += changed
        refused = [outcome for outcome in outcomes if outcome.became == "refused"]
        for outcome in refused[:1]:
            taken.refuse(file, number, outcome.place, outcome.reason)


def _remarks(_work: Work, file: int, read: _Read, taken: Taken) -> None:
    """Each line is an OperationOutcome; its words may hold what is not ours to repeat."""
    for number, text in read:
        try:
            issues = msgspec.json.decode(text, type=_Outcome).issue
        except msgspec.DecodeError:
            taken.refuse(file, number, "", "The line is not an OperationOutcome.")
            continue
        codes = dict.fromkeys(issue.code for issue in issues if issue.severity != "information")
        if codes:
            said = f"The EHR did not export something: {', '.join(codes)}."
            taken.refuse(file, number, "OperationOutcome", said)


_BY_KIND: Mapping[Kind, Callable[[Work, int, _Read, Taken], None]] = {
    "output": _resources,
    "deleted": _deletions,
    "error": _remarks,
}
