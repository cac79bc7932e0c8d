"""`isodose pull`: the records of patients from the EHR's FHIR server into the one record."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from ehr_ingestion.pull import EhrReader, Summary, pull
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.work import work_at

# What the EHR stamped while it was being read is read again the next time.
OVERLAP = dt.timedelta(minutes=5)


class Progress:
    """When each patient was last read from one EHR, in a file that is complete at every moment."""

    def __init__(self, file: Path | None, base: str) -> None:
        self._file = file
        self._base = base
        self._read: dict[str, dict[str, str]] = (
            orjson.loads(file.read_bytes()) if file and file.exists() else {}
        )

    def since(self, patient_id: str) -> str | None:
        return self._read.get(self._base, {}).get(patient_id)

    def note(self, patient_id: str, started: dt.datetime) -> None:
        self._read.setdefault(self._base, {})[patient_id] = (started - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self._file is not None:
            part = self._file.with_suffix(".part")
            part.write_bytes(orjson.dumps(self._read))
            os.replace(part, self._file)


def pull_all(
    ehr: EhrReader, base: str, patients: list[str], state: Path | None, settings: Settings
) -> Mapping[str, Summary]:
    """Read each patient in turn. What was finished stays, when one after it breaks off with
    `EhrAwayError`.
    """
    own = settings.for_service("ehr_ingestion", 8001)
    database, progress = Database(own.database_url), Progress(state, base)
    done: dict[str, Summary] = {}
    try:
        database.check_schema()
        for patient_id in patients:
            started = dt.datetime.now(dt.UTC)
            work = work_at(f"{own.public_url}/fhir")
            done[patient_id] = pull(ehr, patient_id, database, work, progress.since(patient_id))
            progress.note(patient_id, started)
    finally:
        database.dispose()
    return done
