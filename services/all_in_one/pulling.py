"""`isodose pull` and `isodose bulk-pull`: patients from the EHR's FHIR server into the one record."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import orjson

from ehr_ingestion.bulk.exporting import Exporter, Report
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.pull import OVERLAP, EhrReader, Summary, pull
from isodose.events.lease import lease_of
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.work import work_at


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


def host(base: str, authorization: Callable[[], Mapping[str, str]]) -> EhrClient:
    """The client for an export: its state and its files may lie beside the FHIR base, on the same host."""
    address = httpx.URL(base)
    if not address.host:
        raise ValueError(f"{base} is no address of a FHIR server")
    return EhrClient(f"{address.scheme}://{address.netloc.decode()}", authorization)


def bulk_pull(
    server: EhrClient,
    base: str,
    request: ExportRequest,
    settings: Settings,
    *,
    since: str | None = None,
    whole: bool = False,
    anew: bool = False,
    told: Callable[[str], None] = lambda _said: None,
) -> Report:
    """Export what `request` names from the FHIR server at `base`; with `anew`, what was begun is given up.

    Raises `EhrAwayError`; what was read stays. One process at a time reads exports into a database.
    """
    own = settings.for_service("ehr_ingestion", 8001)
    database = Database(own.database_url)
    try:
        database.check_schema()
        lease = lease_of(database, "bulk")
        if not lease.acquire():
            raise EhrAwayError("another export is being read into this database; wait for its end")
        try:
            work = work_at(f"{own.public_url}/fhir")
            exporter = Exporter(base, server, database, work, told, own.max_body_bytes)
            if anew:
                exporter.drop(request)
            return exporter.run(request, since, whole=whole)
        finally:
            lease.release()
    finally:
        database.dispose()
