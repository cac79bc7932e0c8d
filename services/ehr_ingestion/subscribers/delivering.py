"""The job that tells one subscriber what it was not told of yet: in order, until it is taken, or turned off.

https://hl7.org/fhir/R4/subscription.html#2.46.7.1
https://hl7.org/fhir/uv/subscriptions-backport/channels.html#rest-hook
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import httpx

from ehr_ingestion.backport import Kind
from ehr_ingestion.subscribers import registry
from ehr_ingestion.subscribers.admission import shown
from ehr_ingestion.subscribers.asking import may_be_told, name_of, refuse_unanswerable, value_of
from ehr_ingestion.subscribers.notification import NOTHING, Shown, notification
from ehr_ingestion.subscribers.registry import NOTIFY, Event, Key, Subscriber
from ehr_ingestion.subscribers.sealing import SealedError, sealing_of
from isodose.events.jobs import Handler, Job, LaterError
from isodose.fhir.access import Access
from isodose.fhir.errors import FhirError
from isodose.fhir.exchange import Deed
from isodose.fhir.limited import within
from isodose.fhir.negotiation import FHIR_JSON
from isodose.fhir.resources import dump, resource_of
from isodose.fhir.store import Change
from isodose.fhir.stored import Stored
from isodose.security.callers import Caller
from isodose.service import Running

MOST_FAILURES = 10
"""So many failures in a row, a quarter of an hour, and the subscription is in error until it is asked for
again.
"""
AGAIN = dt.timedelta(seconds=1)
"""What was begun and not ended is gone on with after so long, by this process or the next."""
KEPT = dt.timedelta(days=30)
"""Events are kept so long for `$events`."""
_OF_A_VERSION = ("versionId", "lastUpdated")
_US = Caller(client="isodose", subject="isodose", user="", access=Access(()), until=0.0)


class NotTakenError(Exception):
    """A notification was not taken; the message tells why, and neither address nor header."""


class Delivering:
    """Delivers to all subscribers; `transport` takes the place of the network."""

    def __init__(self, running: Running, transport: httpx.BaseTransport | None = None) -> None:
        self._running = running
        self._base = f"{running.settings.public_url}/fhir"
        self._sealing = sealing_of(running.settings)
        self._http = httpx.Client(transport=transport, follow_redirects=False, trust_env=False)

    def handlers(self) -> Mapping[str, Handler]:
        return {NOTIFY: self.notify}

    def notify(self, job: Job) -> dt.datetime | None:
        """Tell one subscriber; when to look again, for its heartbeat."""
        one = self._subscriber(job.key)
        if one is None or one.status in ("off", "error"):
            return None
        if one.asked.end is not None and one.asked.end <= dt.datetime.now(dt.UTC):
            self._set(one, "off", "")
            return None
        before = one.delivered
        try:
            with self._running.reading() as work:
                refuse_unanswerable(one.asked, work.resources)
        except FhirError as error:
            self._set(one, "error", str(error))
            return None
        try:
            one = self._handshaken(one)
            while one.delivered < one.last and not self._running.leaving.is_set():
                one = self._next(one)
            return self._again(one)
        except NotTakenError as error:
            now = self._subscriber(job.key)
            if now is not None and now.delivered > before:
                return dt.datetime.now(dt.UTC) + AGAIN
            if job.failures + 1 >= MOST_FAILURES:
                self._set(one, "error", str(error))
                return None
            raise LaterError(str(error), failed=True) from None

    def _handshaken(self, one: Subscriber) -> Subscriber:
        """An active subscription; one of a topic only after its endpoint took a handshake."""
        if one.status == "active":
            return one
        if one.asked.topic:
            self._send_bundle(one, "handshake", ())
            with self._running.transaction() as work:
                registry.told(work.conn, one.id)
        return self._set(one, "active", "")

    def _next(self, one: Subscriber) -> Subscriber:
        """Deliver the next events, as many as may go together, and note it."""
        with self._running.reading() as work:
            found = registry.events(work.conn, one.id, one.delivered + 1, one.last, one.asked.at_once)
        if found and one.asked.topic:
            self._send_bundle(one, "event-notification", found)
        for event in found if not one.asked.topic else ():
            self._send_resource(one, event)
        reached = found[-1].number if found else one.last
        with self._running.transaction() as work:
            registry.told(work.conn, one.id, reached)
            registry.forget_before(work.conn, dt.datetime.now(dt.UTC) - KEPT)
        return self._subscriber(one.id) or one

    def _again(self, one: Subscriber) -> dt.datetime | None:
        """When to go on: soon where the process stops and events are left, else for the heartbeat."""
        if one.delivered < one.last:
            return dt.datetime.now(dt.UTC) + AGAIN
        if not one.asked.heartbeat_s:
            return None
        period = dt.timedelta(seconds=one.asked.heartbeat_s)
        now = dt.datetime.now(dt.UTC)
        due = (one.told_at or now) + period
        if due > now:
            return due
        self._send_bundle(one, "heartbeat", ())
        with self._running.transaction() as work:
            registry.told(work.conn, one.id)
        return now + period

    def _send_bundle(self, one: Subscriber, kind: Kind, events: Sequence[Event]) -> None:
        shown = Shown(one.asked.content, self._shown(one, events)) if events else NOTHING
        body = notification(one, kind, self._base, events, shown)
        self._send(one, "POST", one.asked.endpoint, body, {event.patient_id for event in events})

    def _send_resource(self, one: Subscriber, event: Event) -> None:
        """R4: an empty POST, or the resource put to the endpoint as to a FHIR server."""
        if one.asked.content == "empty":
            self._send(one, "POST", one.asked.endpoint, b"", {event.patient_id})
            return
        stored = self._shown(one, [event]).get(event.focus)
        if stored is not None:
            url = f"{one.asked.endpoint.rstrip('/')}/{stored.reference}"
            self._send(one, "PUT", url, stored.body, {event.patient_id})

    def _shown(self, one: Subscriber, events: Sequence[Event]) -> Mapping[Key, Stored]:
        """What the events are about, as it is now, as far as the subscriber may see it."""
        keys = {key for event in events for key in (event.focus, *event.context)}
        with self._running.reading() as work:
            found = within(work.resources, one.access).get_many(keys) if keys else {}
        return {key: stored for key, stored in found.items() if not stored.deleted}

    def _send(self, one: Subscriber, method: str, url: str, body: bytes, patients: set[str]) -> None:
        if not may_be_told(url, self._running.settings.subscriber_origins):
            raise NotTakenError("notifications may not go to this address any more")
        try:
            opened = self._sealing.opened(one.asked)
        except SealedError as error:
            raise NotTakenError(str(error)) from None
        headers = [(name_of(header), value_of(header)) for header in opened]
        if body:
            headers.append(("content-type", FHIR_JSON))
        status = 500
        try:
            answer = self._http.request(
                method, url, content=body, headers=headers, timeout=one.asked.timeout_s
            )
            status = answer.status_code
        except httpx.HTTPError as error:
            raise NotTakenError(f"the endpoint is not reached: {type(error).__name__}") from None
        finally:
            if patients:
                deed = Deed("notification-sent", "Subscription", one.id, "", status, tuple(sorted(patients)))
                self._running.audit.add(deed, _US, "")
        if not answer.is_success:
            raise NotTakenError(f"the endpoint answered {answer.status_code}")

    def _set(self, one: Subscriber, status: str, error: str) -> Subscriber:
        """Say how the subscription stands, in the resource too, unless it was asked for anew meanwhile."""
        with self._running.transaction() as work:
            stored = work.resources.get_many([("Subscription", one.id)], lock=True).get(
                ("Subscription", one.id)
            )
            now = registry.get(work.conn, one.id)
            if stored is None or stored.deleted or now is None:
                return one
            if (now.status, now.asked) != (one.status, one.asked):
                raise LaterError("the subscription was asked for anew")
            data = shown(stored.resource(), status, error)
            data["meta"] = {name: value for name, value in data["meta"].items() if name not in _OF_A_VERSION}
            work.resources.write(
                [Change("Subscription", one.id, resource_of(data, dump(data)), path="Subscription")]
            )
            registry.set_status(work.conn, one.id, status)
        return self._subscriber(one.id) or one

    def _subscriber(self, id: str) -> Subscriber | None:
        with self._running.database.read() as conn:
            return registry.get(conn, id)
