"""What was written to the EHR about a patient who is erased here: deleted there where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
from sqlalchemy import Connection

from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.write_back import ledger
from isodose.events.jobs import GiveUpError, Handler, Job, LaterError, ask

DELETE_COPY = "delete-copy"
_DELETED = (
    httpx.codes.OK, httpx.codes.ACCEPTED, httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND, httpx.codes.GONE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Copies:
    """What stands at the EHR about a patient, by type and id there: what is as we wrote it, and what
    somebody changed since, which is not ours to delete.
    """

    ours: Sequence[str]
    changed: Sequence[str]


def copies_of(conn: Connection, patient_ids: Sequence[str]) -> Copies:
    """What was written about these patients, who are one person."""
    entries = [one for id in patient_ids for one in ledger.of_patient(conn, id).values()]
    there = sorted((one.remote, one.state) for one in entries if one.remote and one.type != "Patient")
    return Copies(
        [remote for remote, state in there if state != "conflict"],
        [remote for remote, state in there if state == "conflict"],
    )


def ask_to_delete(conn: Connection, copies: Copies) -> None:
    """Ask for what is ours to be deleted at the EHR, in the transaction in which it is forgotten here."""
    if copies.ours:
        ask(conn, DELETE_COPY, *copies.ours)


class Deleting:
    """Deletes at one EHR what was written there, by its type and id there. What is gone already is done."""

    def __init__(self, client: EhrClient) -> None:
        self._client = client

    def handlers(self) -> Mapping[str, Handler]:
        return {DELETE_COPY: self.delete}

    def delete(self, job: Job) -> None:
        kind = job.key.partition("/")[0]
        try:
            status = self._client.request("DELETE", job.key, kind).status_code
        except EhrAwayError as error:
            raise LaterError(str(error), error.after_s) from None
        if status in _DELETED:
            return
        said = f"the EHR answered {status} to the deletion of a {kind}"
        if 400 <= status < 500 and status != httpx.codes.UNAUTHORIZED:
            raise GiveUpError(said)
        raise LaterError(said)
