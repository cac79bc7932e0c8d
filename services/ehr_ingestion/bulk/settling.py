"""What is done when all files are read: lines that had to wait for others, then the records of patients."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from ehr_ingestion.bulk.ledger import Export, Ledger
from ehr_ingestion.keeping import keep
from ehr_ingestion.patient_records import concerned, rebuild
from isodose.fhir.races import run_again
from isodose.service import Work
from isodose.storage.database import Database

LINES_AT_ONCE = 100
PATIENTS_AT_ONCE = 20
Opener = Callable[[Connection], Work]


def settle(export: Export, database: Database, work: Opener) -> None:
    """Try lines again that referred to what came after them, as long as that helps one of them."""
    while _tried_again(export, database, work):
        pass
    with database.begin() as conn:
        Ledger(conn).give_up_waiting(export)


def _tried_again(export: Export, database: Database, work: Opener) -> int:
    """Every waiting line once; how many of them were kept."""
    kept, after = 0, (-1, 0)
    while True:

        def attempt(after: tuple[int, int] = after) -> tuple[int, tuple[int, int] | None]:
            with database.begin() as conn:
                ledger = Ledger(conn)
                waiting = ledger.waiting(export, after, LINES_AT_ONCE)
                opened = work(conn)
                outcomes, changed = keep(opened, [line.text or b"" for line in waiting])
                helped = [pair for pair in zip(waiting, outcomes, strict=True) if pair[1].became != "refused"]
                for line, outcome in helped:
                    ledger.take_back(export, line, outcome)
                ledger.touch(export, concerned(opened, changed))
            return len(helped), (waiting[-1].file, waiting[-1].line) if waiting else None

        helped, last = run_again(attempt)
        kept += helped
        if last is None:
            return kept
        after = last


def follow(export: Export, database: Database, work: Opener) -> int:
    """Let the records of all patients follow what was read of them; how many records changed.

    Only now: a record that is told half read would be decided on half read.
    """
    changed = 0

    def attempt() -> int | None:
        with database.begin() as conn:
            ledger = Ledger(conn)
            patients = ledger.touched(export, PATIENTS_AT_ONCE)
            if not patients:
                return None
            records = rebuild(work(conn), patients)
            ledger.followed(export, patients)
            return len(records)

    while (rebuilt := run_again(attempt)) is not None:
        changed += rebuilt
    return changed
