"""A notification is acknowledged once all that it says is stored: resources kept, the rest asked for as jobs.

Taking the same notification again, or an older one late, changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ehr_ingestion.following import follow
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.kept import keep_told
from ehr_ingestion.notifications.numbers import Numbers
from ehr_ingestion.notifications.reading import Key, Notification
from isodose.events.jobs import ask
from isodose.fhir.errors import FhirError, not_found
from isodose.service import Running, Work

READ_PATIENT = "read-patient"
READ_RESOURCE = "read-resource"
SWEEP = "sweep"
FILL_GAP = "fill-gap"
GRACE = dt.timedelta(seconds=5)
"""Events that come late in their order are waited for so long before the EHR is asked for them."""


@dataclass(frozen=True)
class Taken:
    """The patients whose record a notification touched, and how many of its resources were refused."""

    patients: tuple[str, ...]
    refused: int


def take(
    running: Running, name: str, notification: Notification, relative: Callable[[bytes], bytes] = bytes
) -> Taken:
    """Store what a notification to the subscription `name` says; raises 404 for one that is not ours.

    `relative` makes references to the EHR's own server relative.
    """
    with running.reading() as work:
        if registry.get(work.conn, name) is None:
            raise _unknown()
    kept = keep_told(running, [relative(one) for one in notification.resources])
    with running.transaction() as work:
        subscription = registry.get(work.conn, name, lock=True)
        if subscription is None:
            raise _unknown()
        for key in notification.deleted:
            delete_here(work, key)
        numbers = _counted(subscription.numbers, notification)
        missing = numbers.many_missing()
        registry.note(
            work.conn,
            replace(
                subscription,
                heard_at=dt.datetime.now(dt.UTC),
                status="active" if notification.kind == "handshake" else notification.status or "active",
                numbers=numbers,
                gaps=subscription.gaps + max(missing - subscription.numbers.many_missing(), 0),
                taken=subscription.taken + _many(notification),
                refused=subscription.refused + kept.refused,
            ),
        )
        ask_for(work, notification.named, kept.strangers)
        if notification.blind:
            ask(work.conn, SWEEP, name)
        if missing:
            ask(work.conn, FILL_GAP, name, at=dt.datetime.now(dt.UTC) + GRACE)
    return Taken(tuple(sorted(kept.patients)), kept.refused)


def ask_for(work: Work, named: Iterable[Key], patients: Iterable[str]) -> None:
    """Ask for resources to be read at the EHR, and for the whole record of patients."""
    keys = list(named)
    whole = {id for kind, id in keys if kind == "Patient"} | set(patients)
    ask(work.conn, READ_PATIENT, *whole)
    ask(work.conn, READ_RESOURCE, *(f"{kind}/{id}" for kind, id in keys if kind != "Patient"))


def delete_here(work: Work, key: Key) -> None:
    """What the EHR deleted is deleted here; what the platform concluded is not the EHR's to delete."""
    kind, id = key
    found = work.resources.get(kind, id)
    if found is None or found.deleted or found.origin != "ehr":
        return
    try:
        follow(work, [work.resources.delete(kind, id)])
    except FhirError:
        return


def _counted(numbers: Numbers, notification: Notification) -> Numbers:
    total = notification.total
    if notification.kind == "handshake":
        return numbers.started(total or 0)
    if notification.numbers:
        return numbers.received(notification.numbers)
    if total is None:
        return numbers
    if notification.kind == "event-notification":
        return numbers.received([total])
    return numbers.told(total)


def _many(notification: Notification) -> int:
    if notification.kind in ("handshake", "heartbeat", "query-status"):
        return 0
    return len(notification.numbers) or 1


def _unknown() -> FhirError:
    return not_found("No subscription of this name is registered here; see `isodose subscriptions list`.")
