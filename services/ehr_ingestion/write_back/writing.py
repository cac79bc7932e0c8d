"""The job that brings the results of one patient to the EHR: what changed, each on its own, until all is
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import orjson
from sqlalchemy import Connection

from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.write_back import ledger
from ehr_ingestion.write_back.erasing import Copies, ask_to_delete
from ehr_ingestion.write_back.ledger import Entry
from ehr_ingestion.write_back.patients import patient_at
from ehr_ingestion.write_back.rewriting import Key, Rewriter, digest
from ehr_ingestion.write_back.sending import Sender
from isodose.assessment.handlers import WITHDRAWN
from isodose.events.jobs import GiveUpError, Handler, Job, LaterError, ask
from isodose.service import Running

WRITE_BACK = "write-back"
ORDER = (
    "CarePlan", "ServiceRequest", "Task", "RiskAssessment", "DetectedIssue", "RequestGroup",
    "GuidanceResponse",
)  # fmt: skip
"""The types that may be written, in an order in which few point to what is written after them."""
PASSES = 3
"""What points to a result that was not there yet is sent again with its address there."""


def ask_for(conn: Connection, patients: Sequence[str]) -> None:
    """Ask for the results of these patients to be brought to the EHR, in the transaction that changed
    them.
    """
    ask(conn, WRITE_BACK, *patients)


class WriteBack:
    """Writes results of the listed types to one EHR."""

    def __init__(self, running: Running, client: EhrClient, types: Sequence[str]) -> None:
        self._running = running
        self._client = client
        self._types = [kind for kind in ORDER if kind in types]
        self._sender = Sender(client)

    def handlers(self) -> Mapping[str, Handler]:
        return {WRITE_BACK: self.write}

    def write(self, job: Job) -> None:
        """Bring the results of one patient to the EHR as they are now.

        A process that is about to stop leaves the rest to the next one.
        """
        try:
            subject = self._patient(job.key)
            for _ in range(PASSES):
                if not self._pass(job.key, subject):
                    return
        except EhrAwayError as error:
            raise LaterError(str(error), error.after_s) from None

    def _pass(self, patient_id: str, subject: str) -> int:
        """Send what differs from what was last sent; how many were.

        What is to be sent later holds up no other: `LaterError` comes when the others were sent.
        """
        with self._running.reading() as work:
            results = {(one.type, one.id): one.resource() for one in work.resources.results_of(patient_id)}
            entries = ledger.of_patient(work.conn, patient_id)
        at_ehr = {key: entry.remote for key, entry in entries.items() if entry.remote}
        at_ehr[("Patient", patient_id)] = subject
        own = f"{self._running.settings.public_url}/fhir"
        rewriter = Rewriter(at_ehr, results.get, own, self._client.base)
        sent, later = 0, None
        for key in self._in_order(results):
            entry = entries.get(key) or _unknown(key, patient_id)
            content = rewriter.rewritten(results[key])
            if not _is_due(entry, content):
                continue
            if self._running.leaving.is_set():
                raise LaterError("the process is about to stop")
            try:
                now = self._sent(entry, content)
            except LaterError as error:
                later = error
                continue
            if now is None:
                return 0
            if now.remote:
                at_ehr[key] = now.remote
            sent += 1
        if later is not None:
            raise later
        return sent

    def _sent(self, entry: Entry, content: Mapping[str, Any]) -> Entry | None:
        """How the result stands after sending it, None where the patient was erased meanwhile.

        That it is sent is known before: an answer may be lost, and this process killed.
        """
        begun = entry.sending(digest(content))
        if not self._kept(entry, begun):
            return None
        now = self._sender.send(begun, dict(content))
        return now if self._kept(begun, now) else None

    def _kept(self, before: Entry, entry: Entry) -> bool:
        """Whether it was taken down. Not so where the patient was erased meanwhile: what was just written
        goes as well, where that is asked for.

        Raises `LaterError` where it does not stand as `before` any more: a process that lost its turn without
        knowing is overtaken by the next.
        """
        key = (entry.type, entry.id)
        with self._running.transaction() as work:
            work.records.lock(entry.patient_id)
            if work.records.get(entry.patient_id) is not None:
                known = ledger.get(work.conn, *key) or _unknown(key, entry.patient_id)
                if known != before:
                    raise LaterError(f"the {entry.type} is written by another process")
                ledger.put(work.conn, entry)
                return True
            if self._running.settings.write_back_erasure and entry.remote:
                ask_to_delete(work.conn, Copies([entry.remote]))
        return False

    def _in_order(self, results: Iterable[Key]) -> list[Key]:
        wanted = [key for key in results if key[0] in self._types]
        return sorted(wanted, key=lambda key: (self._types.index(key[0]), key[1]))

    def _patient(self, patient_id: str) -> str:
        """The Patient at the EHR; found once, then known."""
        with self._running.reading() as work:
            known = ledger.get(work.conn, "Patient", patient_id)
            ours = work.resources.get("Patient", patient_id)
        if known is not None:
            return known.remote
        if ours is None or ours.deleted:
            raise GiveUpError("the patient is not here")
        remote = patient_at(self._client, ours.resource())
        entry = Entry(type="Patient", id=patient_id, patient_id=patient_id, remote=remote)
        with self._running.transaction() as work:
            ledger.put(work.conn, entry)
        return remote


def overwriting(client: EhrClient, entry: Entry) -> Entry:
    """A conflict settled for our side: what is at the EHR now is taken as seen, and will be replaced."""
    if not entry.remote:
        return replace(entry, tried="", state="written")
    answer = client.request("GET", entry.remote, entry.type)
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        return replace(entry, remote="", etag="", digest="", tried="", state="written")
    if answer.status_code != httpx.codes.OK:
        raise EhrAwayError(f"the EHR answered {answer.status_code} for {entry.type}", answer.status_code)
    seen = digest(orjson.loads(answer.content))
    return replace(entry, etag=answer.headers.get("etag", ""), digest=seen, tried="", state="written")


def _unknown(key: Key, patient_id: str) -> Entry:
    """A result that was never sent."""
    return Entry(type=key[0], id=key[1], patient_id=patient_id)


def _is_due(entry: Entry, content: Mapping[str, Any]) -> bool:
    """Whether it is to be sent. What was withdrawn is made there only where it may have been made already: an
    earlier attempt that is still on its way then finds it.
    """
    if entry.state == "sending":
        return True
    return digest(content) != entry.tried and bool(entry.remote or not _withdrawn(content))


def _withdrawn(content: Mapping[str, Any]) -> bool:
    return content.get("status") == WITHDRAWN.get(str(content.get("resourceType")))
