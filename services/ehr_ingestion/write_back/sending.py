"""One result to the EHR: made there once by its identifier, changed only in the version that we last saw.

https://hl7.org/fhir/R4/http.html#ccreate · https://hl7.org/fhir/R4/http.html#concurrency
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import httpx
import orjson

from ehr_ingestion.ehr_client import EhrClient, object_in
from ehr_ingestion.write_back.ledger import Entry, State
from ehr_ingestion.write_back.rewriting import business_identifier, by_identifier, digest
from isodose.events.jobs import LaterError

Json = dict[str, Any]
_STALE = (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED)
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
_DONE = (httpx.codes.OK, httpx.codes.CREATED)
_PLACE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/([^/]+))?/?$")


class Sender:
    """Sends results to one EHR. Raises `EhrAwayError` and `LaterError` where it is to be tried again."""

    def __init__(self, client: EhrClient) -> None:
        self._client = client

    def send(self, entry: Entry, content: Json) -> Entry:
        """How the result stands at the EHR after sending `content`, which has neither id nor meta."""
        return self._update(entry, content) if entry.remote else self._create(entry, content)

    def _create(self, entry: Entry, content: Json) -> Entry:
        identifier = business_identifier(content)
        if identifier is None:
            return _unsettled(entry, content, "refused", 0)
        headers = {"if-none-exist": by_identifier(identifier), "prefer": "return=representation"}
        answer = self._client.request("POST", entry.type, entry.type, orjson.dumps(content), headers)
        if answer.status_code == httpx.codes.CREATED:
            return _written(_placed(entry, answer), content, answer)
        if answer.status_code == httpx.codes.OK:
            return self._adopt(_placed(entry, answer), content)
        return _judged(entry, content, answer)

    def _adopt(self, entry: Entry, content: Json) -> Entry:
        """One that was there already: ours from before a crash, or changed by somebody since."""
        there, answer = self._read(entry)
        if there is None:
            return _unsettled(entry, content, "conflict", answer.status_code)
        seen = replace(entry, etag=_etag(answer))
        if digest(there) == digest(content):
            return _written(seen, content, answer)
        first = str((there.get("meta") or {}).get("versionId")) == "1"
        if first or entry.is_ours(digest(there)):
            return self._update(seen, content)
        return _unsettled(seen, content, "conflict", answer.status_code)

    def _update(self, entry: Entry, content: Json, again: bool = True) -> Entry:
        if not entry.etag and not self._unchanged(entry, content):
            return _unsettled(entry, content, "conflict", httpx.codes.OK)
        kind, _, id = entry.remote.partition("/")
        body = orjson.dumps({"resourceType": kind, "id": id} | content)
        headers = {"if-match": entry.etag} if entry.etag else {}
        answer = self._client.request("PUT", entry.remote, entry.type, body, headers)
        if answer.status_code in _DONE:
            return _written(entry, content, answer)
        if answer.status_code not in _STALE:
            return _judged(entry, content, answer)
        there, read = self._read(entry)
        if there is not None and digest(there) == digest(content):
            return _written(replace(entry, etag=_etag(read)), content, read)
        if there is not None and entry.is_ours(digest(there)):
            if not again:
                raise LaterError(f"the {entry.type} is changed at the EHR by us, twice at once")
            return self._update(replace(entry, etag=_etag(read)), content, again=False)
        return _unsettled(entry, content, "conflict", answer.status_code)

    def _unchanged(self, entry: Entry, content: Json) -> bool:
        """Whether a server without versions still has what we sent."""
        there, _answer = self._read(entry)
        return there is not None and (entry.is_ours(digest(there)) or digest(there) == digest(content))

    def _read(self, entry: Entry) -> tuple[Json | None, httpx.Response]:
        answer = self._client.request("GET", entry.remote, entry.type)
        if answer.status_code in _GONE:
            return None, answer
        if answer.status_code != httpx.codes.OK:
            raise LaterError(f"the EHR answered {answer.status_code} for {entry.type}")
        return orjson.loads(answer.content), answer


def _written(entry: Entry, content: Json, answer: httpx.Response) -> Entry:
    said = digest(content)
    return replace(
        entry, etag=_etag(answer), digest=said, tried=said, state="written", status=answer.status_code,
        unanswered=(),
    )  # fmt: skip


def _judged(entry: Entry, content: Json, answer: httpx.Response) -> Entry:
    """What an answer means that is no success."""
    status = answer.status_code
    if status in _STALE or (status in _GONE and entry.remote):
        return _unsettled(entry, content, "conflict", status)
    if 400 <= status < 500 and status != httpx.codes.UNAUTHORIZED:
        return _unsettled(entry, content, "refused", status)
    raise LaterError(f"the EHR answered {status} for {entry.type}")


def _unsettled(entry: Entry, content: Json, state: State, status: int) -> Entry:
    """Not sent again until the result changes. What was last written there stays known as such."""
    said = digest(content)
    unanswered = tuple(one for one in entry.unanswered if one != said)
    return replace(entry, tried=said, state=state, status=status, unanswered=unanswered)


def _placed(entry: Entry, answer: httpx.Response) -> Entry:
    """With its place at the EHR, which is in the address, or else in the body."""
    for name in ("location", "content-location"):
        found = _PLACE.search(answer.headers.get(name, ""))
        if found is not None:
            return replace(entry, remote=found[1])
    body = object_in(answer)
    if not isinstance(body.get("id"), str):
        raise LaterError(f"the EHR does not say which id the {entry.type} was given")
    return replace(entry, remote=f"{entry.type}/{body['id']}")


def _etag(answer: httpx.Response) -> str:
    """The version, by its header, by the address, or by the body; empty where the EHR tells none."""
    given: str = answer.headers.get("etag", "")
    if given:
        return given
    found = _PLACE.search(answer.headers.get("location", ""))
    version = found[2] if found is not None else None
    version = version or (object_in(answer).get("meta") or {}).get("versionId")
    return f'W/"{version}"' if version else ""
