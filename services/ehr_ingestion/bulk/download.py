"""One file of an export as a stream of bytes, from its beginning or from where an earlier run had come.

https://hl7.org/fhir/uv/bulkdata/export.html#response---output-files · https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import httpx

from ehr_ingestion.bulk.request import NDJSON
from ehr_ingestion.ehr_client import WAIT_AGAIN, EhrAwayError, EhrClient

_EXPIRED = frozenset({401, 403, 404, 410})


class ExpiredError(Exception):
    """The link no longer works; the state of the export gives a new one."""


class OtherFileError(Exception):
    """The file is not the one that was read in part before; it has to be read from its beginning."""


@dataclass(frozen=True, slots=True)
class Opened:
    etag: str
    chunks: Iterator[bytes]


@contextmanager
def opened(server: EhrClient, url: str, *, token: bool, start: int = 0, etag: str = "") -> Iterator[Opened]:
    """The file from byte `start` on, which is the beginning of a line. Bytes are counted without compression.

    The byte before `start` is read as well: where it ends no line, the file is another one. Raises
    `ExpiredError`, `OtherFileError`, `EhrAwayError`, and httpx.HTTPError where the stream breaks off or the
    EHR is busy.
    """
    with server.stream(url, "a file of the export", _headers(start, etag), token=token) as answer:
        if answer.status_code in _EXPIRED:
            raise ExpiredError
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise OtherFileError
        if answer.status_code in WAIT_AGAIN:
            raise httpx.HTTPStatusError("busy", request=answer.request, response=answer)
        if not answer.is_success:
            raise EhrAwayError(f"the EHR answered {answer.status_code} for a file of the export")
        found = answer.headers.get("etag", "")
        if start and etag and found and found != etag:
            raise OtherFileError
        chunks = answer.iter_bytes()
        if start:
            is_part = answer.status_code == httpx.codes.PARTIAL_CONTENT
            chunks = _after(chunks, 0 if is_part else start - 1)
        yield Opened(found, chunks)


def _headers(start: int, etag: str) -> Mapping[str, str]:
    if not start:
        return {"accept": NDJSON, "accept-encoding": "gzip"}
    is_strong = etag and not etag.startswith("W/")
    part = {"range": f"bytes={start - 1}-"} | ({"if-range": etag} if is_strong else {})
    return {"accept": NDJSON, "accept-encoding": "identity", **part}


def _after(chunks: Iterator[bytes], skipped: int) -> Iterator[bytes]:
    """What comes after `skipped` bytes and the end of a line."""
    for chunk in chunks:
        if skipped < len(chunk):
            if chunk[skipped : skipped + 1] != b"\n":
                raise OtherFileError
            return chain([chunk[skipped + 1 :]], chunks)
        skipped -= len(chunk)
    raise OtherFileError
