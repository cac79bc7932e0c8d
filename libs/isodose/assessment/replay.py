"""Decided again with changed knowledge before it goes live: who would get another answer. Only reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from isodose.assessment.comparison import Change, changed_entries, changes, same_words
from isodose.assessment.decider import Decider, decide
from isodose.clinical.knowledge import Knowledge
from isodose.storage.database import Database
from isodose.storage.records import GuidanceStore, Records

AT_ONCE = 200
"""Patients read in one snapshot: a long replay holds none for long."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What becomes of one patient's answer. Without `changes`, `reworded` tells whether its words differ."""

    patient_id: str
    changes: Sequence[Change]
    reworded: bool


def replay(
    database: Database, decider: Decider, changed: Knowledge, since: dt.date, on: dt.date
) -> Iterator[Replayed]:
    """Everybody on whom the service last decided on `since` or later, judged for `on` with both, by id."""
    entries = changed_entries(decider.knowledge, changed)
    other = replace(decider, knowledge=changed)
    with database.read() as conn:
        patients = GuidanceStore(conn).decided_since(decider.service, since)
    for begin in range(0, len(patients), AT_ONCE):
        with database.read() as conn:
            records = Records(conn).get_many(patients[begin : begin + AT_ONCE])
        for patient, record in sorted(records.items()):
            now, then = decide(decider, record, on), decide(other, record, on)
            yield Replayed(patient, changes(now, then, entries), not same_words(now, then))
