"""One export from kick-off to the end, going on where a run before it was stopped.

Kicked off, waited for, its files read, the records of its patients rebuilt, ended at the EHR: each step is
noted in the database before the next begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from ehr_ingestion.bulk import job
from ehr_ingestion.bulk.download import ExpiredError
from ehr_ingestion.bulk.job import ExportEndedError
from ehr_ingestion.bulk.ledger import Export, File, Ledger, SetAside
from ehr_ingestion.bulk.reading import FileReader
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.bulk.settling import follow, settle
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from isodose.fhir.references import relative_to
from isodose.service import Work
from isodose.storage.database import Database

MOST_SHOWN = 1000
LONGEST_LINE = 20_000_000


@dataclass(frozen=True)
class Report:
    """What came of an export: its files as they were read, the first lines that were not kept, the number of
    records that changed, and whether the EHR took note of its end.
    """

    export: Export
    files: list[File]
    aside: list[SetAside]
    records: int
    ended: bool


@dataclass(frozen=True)
class Exporter:
    """Reads exports of one FHIR server at `base`. `server` is the client of the whole host, for the files and
    the state of an export may lie beside the FHIR base. `told` hears of the progress.
    """

    base: str
    server: EhrClient
    database: Database
    work: Callable[[Connection], Work]
    told: Callable[[str], None]
    longest: int = LONGEST_LINE

    def run(self, request: ExportRequest, since: str | None = None, *, whole: bool = False) -> Report:
        """Export what `request` names and keep it: since the instant `since`, else since the last export of
        the same, else (or with `whole`) everything.

        An export that was begun before is gone on with, whatever `since` says. Raises `EhrAwayError`: what
        was read stays, and the next run goes on.
        """
        feed = request.feed(self.base)
        with self.database.read() as conn:
            begun = Ledger(conn).unfinished(feed)
            since = None if whole else since or Ledger(conn).last_time(feed)
        if begun is not None:
            self.told(f"going on with the export of {begun.started_at:%Y-%m-%d %H:%M}")
            try:
                return self._finished(begun)
            except ExportEndedError:
                self._dropped(begun)
        return self._finished(self._kicked_off(request, since))

    def drop(self, request: ExportRequest) -> None:
        """Give up the export that was begun, if there is one; what was read of it stays."""
        with self.database.read() as conn:
            begun = Ledger(conn).unfinished(request.feed(self.base))
        if begun is not None:
            self._dropped(begun)

    def _kicked_off(self, request: ExportRequest, since: str | None) -> Export:
        status_url = job.kick_off(self.server, self.base, request, since)
        with self.database.begin() as conn:
            return Ledger(conn).begin(request.feed(self.base), status_url, since)

    def _finished(self, export: Export) -> Report:
        if export.state == "waiting":
            export = self._listed(export)
        export = self._read(export)
        settle(export, self.database, self.work)
        records = follow(export, self.database, self.work)
        ended = job.end(self.server, export.status_url)
        with self.database.begin() as conn:
            ledger = Ledger(conn)
            ledger.finish(export, "done")
            files, aside = ledger.files(export), ledger.set_aside(export, MOST_SHOWN)
        return Report(replace(export, state="done"), files, aside, records, ended)

    def _listed(self, export: Export) -> Export:
        """The export with its files, or with the fresh addresses of its files."""
        manifest = job.waited_for(
            self.server, export.status_url, lambda said: self.told(f"waiting for the EHR: {said}")
        )
        with self.database.begin() as conn:
            return Ledger(conn).list_files(export, manifest)

    def _read(self, export: Export) -> Export:
        """Read all files. Addresses that have expired are asked for again, unless that helped nothing."""
        reader = FileReader(
            self.server, self.database, self.work, self.told, relative_to(self.base), self.longest
        )
        before: list[int] = []
        while True:
            with self.database.read() as conn:
                files = [file for file in Ledger(conn).files(export) if not file.done]
            try:
                for file in files:
                    reader.read(export, file)
                return export
            except ExpiredError:
                left = [file.offset for file in files]
                if left == before:
                    raise EhrAwayError("the EHR gives addresses of files that do not work") from None
                before = left
                export = self._listed(export)

    def _dropped(self, export: Export) -> None:
        """End an export that is not gone on with; the records follow what was read of it."""
        settle(export, self.database, self.work)
        follow(export, self.database, self.work)
        job.end(self.server, export.status_url)
        with self.database.begin() as conn:
            Ledger(conn).finish(export, "dropped")
