"""What notifications ask for, read at the EHR: done after the acknowledgement, resumed after a crash."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import httpx
from sqlalchemy import select

from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.intake import (
    FILL_GAP,
    READ_PATIENT,
    READ_RESOURCE,
    SWEEP,
    ask_for,
    delete_here,
    take,
)
from ehr_ingestion.notifications.kept import AT_ONCE, keep_told
from ehr_ingestion.notifications.reading import read
from ehr_ingestion.notifications.registry import EhrSubscription
from ehr_ingestion.pull import OVERLAP, PAGE, EhrReader, WithheldError, pull
from isodose.events.jobs import GiveUpError, Handler, Job, LaterError, ask
from isodose.fhir.errors import FhirError
from isodose.fhir.resources import instant, is_id
from isodose.service import Running
from isodose.storage.database import insert
from isodose.storage.tables import patient_read

MOST_EVENTS = 500
"""So many missed events are asked for at a time."""
MOST_NOT_FOUND = 4
_REFUSED = frozenset({400, 403, 404, 405, 410, 415, 422})


class Fetching:
    """The jobs that read at the EHR what its notifications named."""

    def __init__(self, running: Running, client: EhrClient) -> None:
        self._running = running
        self._client = client
        self._reader = EhrReader(client)

    def handlers(self) -> Mapping[str, Handler]:
        return {
            READ_PATIENT: self.read_patient,
            READ_RESOURCE: self.read_resource,
            SWEEP: self.sweep,
            FILL_GAP: self.fill_gap,
        }

    def read_patient(self, job: Job) -> None:
        """The whole record of a patient, or what changed since it was last read."""
        if not is_id(job.key):
            raise GiveUpError("the id of a patient is none")
        with self._running.database.read() as conn:
            known = select(patient_read.c.since).where(patient_read.c.patient_id == job.key)
            since: str | None = conn.execute(known).scalar_one_or_none()
        started = dt.datetime.now(dt.UTC)
        try:
            pull(self._reader, job.key, self._running.database, self._running.work, since)
        except EhrAwayError as error:
            raise judged(error) from None
        with self._running.transaction() as work:
            row = insert(work.conn, patient_read).values(patient_id=job.key, since=instant(started - OVERLAP))
            work.conn.execute(
                row.on_conflict_do_update(index_elements=["patient_id"], set_={"since": row.excluded.since})
            )

    def read_resource(self, job: Job) -> None:
        """One resource; deleted here where the EHR says that it deleted it.

        One that it does not find is asked for a few times more: what was told may be there a moment later.
        """
        kind, _, id = job.key.partition("/")
        try:
            found = self._reader.resource(kind, id)
        except EhrAwayError as error:
            if error.status == httpx.codes.GONE:
                with self._running.transaction() as work:
                    delete_here(work, (kind, id))
                return
            if error.status == httpx.codes.NOT_FOUND:
                if job.failures >= MOST_NOT_FOUND:
                    return
                raise LaterError(str(error), failed=True) from None
            raise judged(error) from None
        self._keep([found])

    def sweep(self, job: Job) -> None:
        """Everything that a subscription may have meant: its search since the last time, or every patient who
        is here.
        """
        subscription = self._subscription(job.key)
        if subscription is None:
            return
        started = dt.datetime.now(dt.UTC)
        if subscription.topic:
            self._every_patient()
        else:
            self._search(subscription)
        with self._running.transaction() as work:
            now = registry.get(work.conn, job.key, lock=True)
            if now is not None:
                registry.note(work.conn, replace(now, swept_at=started - OVERLAP))

    def fill_gap(self, job: Job) -> None:
        """The events that did not come: asked of the EHR, or every patient read who is here."""
        subscription = self._subscription(job.key)
        if subscription is None or not subscription.numbers.missing:
            return
        for low, high in subscription.numbers.missing:
            for first in range(low, high + 1, MOST_EVENTS):
                last = min(first + MOST_EVENTS - 1, high)
                if not self._events(subscription, first, last):
                    self._give_way(job.key)
                    return
        with self._running.database.read() as conn:
            left = registry.get(conn, job.key)
        if left is not None and left.numbers.missing:
            self._give_way(job.key)

    def _events(self, subscription: EhrSubscription, first: int, last: int) -> bool:
        """Take these events from the EHR; False where it does not offer them."""
        if not subscription.reference:
            return False
        path = (
            f"{subscription.reference}/$events?eventsSinceNumber={first}&eventsUntilNumber={last}"
            "&content=id-only"
        )
        try:
            answer = self._client.request("GET", path, "events of a Subscription")
        except EhrAwayError as error:
            raise judged(error) from None
        if answer.status_code in _REFUSED or answer.status_code == httpx.codes.NOT_IMPLEMENTED:
            return False
        if answer.status_code != httpx.codes.OK:
            raise LaterError(f"the EHR answered {answer.status_code} for events of a Subscription")
        try:
            told = read(answer.content, self._client.base, len(answer.content))
            take(self._running, subscription.name, told, self._reader.relative)
        except FhirError:
            return False
        return True

    def _give_way(self, name: str) -> None:
        """What the events were about is not known: read every patient, and miss them no longer."""
        with self._running.transaction() as work:
            subscription = registry.get(work.conn, name, lock=True)
            if subscription is not None:
                numbers = replace(subscription.numbers, missing=())
                registry.note(work.conn, replace(subscription, numbers=numbers))
                ask(work.conn, SWEEP, name)

    def _search(self, subscription: EhrSubscription) -> None:
        since = instant(subscription.swept_at or subscription.created_at - OVERLAP)
        kind, _, query = subscription.criteria.partition("?")
        url = f"{kind}?{query}{'&' if query else ''}_lastUpdated=ge{since}&_count={PAGE}"
        found: list[bytes] = []
        try:
            for one in self._reader.pages(url, kind):
                found.append(one)
                if len(found) == AT_ONCE:
                    self._keep(found)
                    found = []
        except WithheldError as withheld:
            raise GiveUpError(f"the EHR answered {withheld.status} for {kind}") from None
        except EhrAwayError as error:
            raise judged(error) from None
        self._keep(found)

    def _every_patient(self) -> None:
        with self._running.reading() as work:
            patients = list(work.records.ids())
        with self._running.transaction() as work:
            ask(work.conn, READ_PATIENT, *patients)

    def _keep(self, resources: list[bytes]) -> None:
        kept = keep_told(self._running, resources)
        with self._running.transaction() as work:
            ask_for(work, (), kept.strangers)

    def _subscription(self, name: str) -> EhrSubscription | None:
        with self._running.database.read() as conn:
            return registry.get(conn, name)


def judged(error: EhrAwayError) -> GiveUpError | LaterError:
    """Whether to come again: what the EHR refuses it refuses again, an EHR that is away comes back."""
    if error.status in _REFUSED:
        return GiveUpError(str(error))
    return LaterError(str(error), error.after_s)
