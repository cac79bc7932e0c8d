"""The files of an export read into the store: batch by batch, each in one transaction with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import httpx
from sqlalchemy import Connection

from ehr_ingestion.bulk.download import OtherFileError, opened
from ehr_ingestion.bulk.ledger import Export, File, Ledger
from ehr_ingestion.bulk.lines import Line, lines
from ehr_ingestion.bulk.taking import Numbered, take
from ehr_ingestion.ehr_client import ATTEMPTS, EhrAwayError, EhrClient, pause
from ehr_ingestion.patient_records import concerned
from isodose.fhir.races import run_again
from isodose.service import Work
from isodose.storage.database import Database

LINES_AT_ONCE = 100
BYTES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class FileReader:
    """`told` hears how far a file is read. `local` makes references to the EHR itself relative; lines longer
    than `longest` bytes are refused.
    """

    server: EhrClient
    database: Database
    work: Callable[[Connection], Work]
    told: Callable[[str], None]
    local: Callable[[bytes], bytes]
    longest: int

    def read(self, export: Export, file: File) -> None:
        """Read a file from where it stands to its end; what breaks off is taken up again.

        Raises `ExpiredError` and, when the EHR stays away, `EhrAwayError`.
        """
        reached, failures = file, 0
        while not reached.done:
            before = reached.offset
            try:
                for further in self._batches(export, reached):
                    reached = further
                    self.told(f"{file.type} file {file.number + 1}: {reached.lines} lines")
                return
            except (httpx.HTTPError, OtherFileError) as error:
                failures = 1 if reached.offset > before else failures + 1
                if failures == ATTEMPTS:
                    said = f"a file of the export breaks off: {type(error).__name__}"
                    raise EhrAwayError(said) from None
                if isinstance(error, OtherFileError):
                    reached = self._restarted(export, file)
                self.server.sleep(pause(failures, _retry_after(error)))

    def _batches(self, export: Export, file: File) -> Iterator[File]:
        """The file as it stands after each batch that was committed."""
        token = export.needs_token
        with opened(self.server, file.url, token=token, start=file.offset, etag=file.etag) as found:
            reached = replace(file, etag=found.etag)
            for batch, is_last in _batched(lines(found.chunks, file.offset, self.longest)):
                reached = self._committed(export, reached, batch, is_last)
                yield reached

    def _committed(self, export: Export, file: File, batch: list[Line], is_last: bool) -> File:
        texts = [line.text and self.local(line.text) for line in batch]
        numbered = [Numbered(number, text) for number, text in enumerate(texts, start=file.lines + 1)]
        end = batch[-1].end if batch else file.offset
        reached = replace(file, lines=file.lines + len(batch), offset=end, done=is_last)

        def commit() -> File:
            with self.database.begin() as conn:
                opened, ledger = self.work(conn), Ledger(conn)
                taken = take(opened, file.kind, file.number, numbered, self.longest)
                ledger.touch(export, concerned(opened, taken.changed))
                return ledger.advance(export, reached, taken.outcomes, taken.aside)

        return run_again(commit)

    def _restarted(self, export: Export, file: File) -> File:
        with self.database.begin() as conn:
            return Ledger(conn).restart(export, file)


def _retry_after(error: Exception) -> str | None:
    return error.response.headers.get("retry-after") if isinstance(error, httpx.HTTPStatusError) else None


def _batched(read: Iterable[Line]) -> Iterator[tuple[list[Line], bool]]:
    """Lines by the hundred, or by megabytes, and whether they are the last. An empty file is one batch."""
    batch: list[Line] = []
    size = 0
    for line in read:
        if len(batch) == LINES_AT_ONCE or size > BYTES_AT_ONCE:
            yield batch, False
            batch, size = [], 0
        batch.append(line)
        size += len(line.text or b"")
    yield batch, True
