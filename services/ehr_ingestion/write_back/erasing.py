"""What was written to the EHR about a patient who is erased here: deleted there where that is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Connection

from ehr_ingestion.ehr_client import EhrAwayError, EhrClient, object_in
from ehr_ingestion.write_back import ledger
from ehr_ingestion.write_back.rewriting import business_identifier, by_identifier
from isodose.events.jobs import GiveUpError, Handler, Job, LaterError, ask
from isodose.fhir.resources import result_key
from isodose.service import Running
from isodose.work import Work

DELETE_COPY = "delete-copy"
FIND_COPY = "find-copy"
ON_ITS_WAY = dt.timedelta(minutes=2)
"""A creation that nobody waits for any more has arrived by then, or never does."""
Json = dict[str, Any]
_DELETED = (
    httpx.codes.OK, httpx.codes.ACCEPTED, httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND, httpx.codes.GONE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Copies:
    """What stands at the EHR about a patient, by type and id there: what is as we wrote it, and what
    somebody changed since, which is not ours to delete. What was sent to be made there and not answered is
    `unanswered`, by its type and the value of its identifier.
    """

    ours: Sequence[str]
    changed: Sequence[str] = ()
    unanswered: Sequence[str] = ()


def copies_of(work: Work, patient_ids: Sequence[str]) -> Copies:
    """What was written about these patients, who are one person."""
    entries = [one for id in patient_ids for one in ledger.of_patient(work.conn, id).values()]
    there = sorted((one.remote, one.state) for one in entries if one.remote and one.type != "Patient")
    return Copies(
        [remote for remote, state in there if state != "conflict"],
        [remote for remote, state in there if state == "conflict"],
        sorted(_sought(work, [one for one in entries if one.unanswered and not one.remote])),
    )


def _sought(work: Work, entries: Sequence[ledger.Entry]) -> Iterator[str]:
    for entry in entries:
        stored = work.resources.get(entry.type, entry.id)
        value = None if stored is None or stored.deleted else result_key(stored.resource())
        if value is not None:
            yield f"{entry.type}/{value}"


def ask_to_delete(conn: Connection, copies: Copies) -> None:
    """Ask for what is ours to be deleted at the EHR, in the transaction in which it is forgotten here."""
    if copies.ours:
        ask(conn, DELETE_COPY, *copies.ours)
    if copies.unanswered:
        ask(conn, FIND_COPY, *copies.unanswered, at=dt.datetime.now(dt.UTC) + ON_ITS_WAY)


class Deleting:
    """Deletes at one EHR what was written there. What is gone already, or was never made, is done."""

    def __init__(self, running: Running, client: EhrClient) -> None:
        self._running = running
        self._client = client
        self._system = f"{running.settings.canonical_base}/NamingSystem/result"

    def handlers(self) -> Mapping[str, Handler]:
        return {DELETE_COPY: self.delete, FIND_COPY: self.find}

    def delete(self, job: Job) -> None:
        """Delete one copy, by its type and id there."""
        kind = job.key.partition("/")[0]
        status = self._asked("DELETE", job.key, kind).status_code
        if status not in _DELETED:
            raise _judged(status, f"the deletion of a {kind}")

    def find(self, job: Job) -> None:
        """Have deleted what a creation made there whose answer was lost: what has the identifier of the
        result, in its first version.
        """
        kind, _, value = job.key.partition("/")
        identifier = {"system": self._system, "value": value}
        answer = self._asked("GET", f"{kind}?{by_identifier(identifier)}", kind)
        if answer.status_code != httpx.codes.OK:
            raise _judged(answer.status_code, f"the search for a {kind}")
        bundle = object_in(answer)
        if bundle.get("resourceType") != "Bundle":
            raise LaterError(f"the EHR answered no Bundle to the search for a {kind}")
        entries = [one.get("resource") or {} for one in bundle.get("entry") or []]
        found = [one for one in entries if _is_the_result(one, kind, identifier)]
        with self._running.transaction() as work:
            ask_to_delete(work.conn, Copies([f"{kind}/{one['id']}" for one in found if _is_as_made(one)]))
        if not all(map(_is_as_made, found)):
            raise GiveUpError(f"a {kind} at the EHR was changed after it was made there, and stays")

    def _asked(self, method: str, path: str, kind: str) -> httpx.Response:
        try:
            return self._client.request(method, path, kind)
        except EhrAwayError as error:
            raise LaterError(str(error), error.after_s) from None


def _judged(status: int, what: str) -> Exception:
    """What an answer means that is no success."""
    said = f"the EHR answered {status} to {what}"
    refused = 400 <= status < 500 and status != httpx.codes.UNAUTHORIZED
    return GiveUpError(said) if refused else LaterError(said)


def _is_the_result(resource: Json, kind: str, identifier: Json) -> bool:
    """Asked of each: a server may pass over a condition that it does not know, and answer everything."""
    return resource.get("resourceType") == kind and business_identifier(resource) == identifier


def _is_as_made(resource: Json) -> bool:
    version = (resource.get("meta") or {}).get("versionId")
    return version is None or version == "1"
