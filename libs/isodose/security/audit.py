"""Who asked for what, as AuditEvents in a chain: a later change of one breaks every digest after it.

No request waits for it: what happened goes to a queue in memory, and one thread writes what has gathered,
a few times a second (decision 13). https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from isodose.fhir.access import Access as Granted
from isodose.fhir.conformance import code_system, value_set
from isodose.fhir.exchange import Deed
from isodose.fhir.resources import BASE, instant
from isodose.security.callers import Caller
from isodose.storage.database import Database
from isodose.storage.tables import audit_event, audit_patient

MOST_WAITING = 100_000
MOST_AT_ONCE = 500
_PAGE = 1_000
_GATHER_S = 0.25
_RETRY_S = 2.0
_LOCK = 0x150D05F
_ACTIONS = {"create": "C", "update": "U", "patch": "U", "delete": "D", "erase": "D"}
_READS = ("read", "vread", "search-type", "history-instance", "history-type", "history-system")
TAKEN_OUT = "audit-taken-out"
_OUR_OWN = {
    TAKEN_OUT: "The oldest AuditEvents were taken out by the rule of the site",
    "cds-call": "A call of a CDS service",
    "dismiss-event": "An operator gave up an event that could not be handled",
    "dismiss-job": "An operator gave up what was to be done at another system",
    "erase": "A patient was erased",
    "notification": "A notification of the EHR",
    "notification-sent": "A notification to a subscriber",
    "replay-event": "An operator had an event handled that had been set aside",
    "retry-job": "An operator asked again for what was to be done at another system",
}
_RESTFUL = "http://hl7.org/fhir/restful-interaction"
_log = logging.getLogger("isodose.audit")


@dataclass(frozen=True, slots=True)
class Access:
    """One access: what was done, by whom, from where and when."""

    deed: Deed
    caller: Caller | None
    address: str
    at: datetime


class AuditLog:
    """Takes accesses at once and writes them soon. `site` names the service that observed them.

    With a `key` the digests are HMACs: whoever can write to the database, but does not have the key,
    cannot make a chain that holds.
    """

    def __init__(
        self, database: Database, site: str, key: bytes | None = None, canonical: str = BASE
    ) -> None:
        self._database = database
        self._canonical = canonical
        self._site = site
        self._key = key
        self._waiting: queue.Queue[Access | None] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name=f"audit-{site}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(timeout=10)

    def add(self, deed: Deed, caller: Caller | None, address: str) -> None:
        """Never waits and never raises. Where a hundred thousand wait already, the loss is logged."""
        try:
            self._waiting.put_nowait(Access(deed, caller, address, datetime.now(UTC)))
        except queue.Full:
            self._lost += 1

    def _run(self) -> None:
        ended = False
        while not ended:
            gathered = [self._waiting.get()]
            wait = threading.Event()
            if gathered[0] is not None:
                wait.wait(_GATHER_S)
            while len(gathered) < MOST_AT_ONCE and not self._waiting.empty():
                gathered.append(self._waiting.get_nowait())
            ended = None in gathered
            self._keep([one for one in gathered if one is not None], give_up=ended)

    def _keep(self, accesses: list[Access], give_up: bool) -> None:
        while accesses:
            try:
                with self._database.begin() as conn:
                    write(conn, accesses, self._site, self._key, self._canonical)
            except SQLAlchemyError as error:
                _log.warning("audit events wait for the database", extra={"error": type(error).__name__})
                if give_up:
                    _log.error(f"{len(accesses)} audit events were lost at the end")
                    return
                threading.Event().wait(_RETRY_S)
                continue
            break
        if self._lost:
            _log.error(f"{self._lost} audit events were lost: too many waited")
            self._lost = 0


def write(
    conn: Connection,
    accesses: Iterable[Access],
    site: str,
    key: bytes | None = None,
    canonical: str = BASE,
) -> None:
    """Take accesses down in the transaction of `conn`, that of what they tell of."""
    append(conn, [(_event(one, site, canonical), one.deed.patients) for one in accesses], key)


def by_operator(deed: Deed, who: str) -> Access:
    """What somebody did now by a command on the machine, where the user is known by the name `who`."""
    operator = Caller(client="isodose", subject=who, user="", access=Granted(()), until=0)
    return Access(deed, operator, "", datetime.now(UTC))


def words(base: str) -> list[dict[str, Any]]:
    """The codes of ours that tell what an AuditEvent is about, as a CodeSystem and its ValueSet."""
    concepts = [{"code": code, "display": display} for code, display in sorted(_OUR_OWN.items())]
    title = "Accesses that are no interaction of FHIR REST"
    return [code_system(base, "audit", title, concepts), value_set(base, "audit", title)]


class Verdict(NamedTuple):
    """How a chain stands: the `seq` of the first row that does not follow from the one before it, or None;
    how many rows hold, and the digest of the last of them.
    """

    broken_at: int | None
    holding: int
    digest: str


class Place(NamedTuple):
    """A place in the chain: the `seq` of a row and its digest."""

    seq: int
    digest: str


START = Place(0, "0" * 64)


def verified(rows: Iterable[Any], key: bytes | None = None, after: Place = START) -> Verdict:
    """Judge the rows of `audit_event` that follow the place `after`, in the order of `seq`."""
    before, expected = after.digest, after.seq + 1
    for row in rows:
        if row.seq != expected or row.digest != _digest(before, row.body, key):
            return Verdict(expected, expected - 1 - after.seq, before)
        before, expected = row.digest, expected + 1
    return Verdict(None, expected - 1 - after.seq, before)


def chain(conn: Connection) -> Iterator[Any]:
    """All rows in the order of the chain, a thousand at a time."""
    column, last = audit_event.c, 0
    wanted = select(column.seq, column.body, column.digest).order_by(column.seq).limit(_PAGE)
    while page := conn.execute(wanted.where(column.seq > last)).all():
        yield from page
        last = page[-1].seq


def append(conn: Connection, events: list[tuple[dict[str, Any], tuple[str, ...]]], key: bytes | None) -> None:
    """Put AuditEvents, each with the patients it is about, at the end of the chain; others wait for it."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = conn.execute(
        select(audit_event.c.seq, audit_event.c.digest).order_by(audit_event.c.seq.desc()).limit(1)
    ).first()
    seq, digest = (last.seq, last.digest) if last else START
    rows, patients = [], []
    for event, named in events:
        seq, body = seq + 1, orjson.dumps(event).decode()
        digest = _digest(digest, body, key)
        rows.append(
            {
                "seq": seq, "id": event["id"], "recorded": event["recorded"], "action": event["action"],
                "subtype": event["subtype"][0]["code"], "outcome": event["outcome"],
                "agent": event["agent"][0]["name"][:255], "body": body, "digest": digest,
            }
        )  # fmt: skip
        patients += [{"patient_id": patient, "seq": seq} for patient in dict.fromkeys(named)]
    conn.execute(insert(audit_event), rows)
    if patients:
        conn.execute(insert(audit_patient), patients)


def _digest(before: str, body: str, key: bytes | None) -> str:
    content = f"{before}{body}".encode()
    if key is not None:
        return hmac.new(key, content, hashlib.sha256).hexdigest()
    return hashlib.sha256(content).hexdigest()


def _event(access: Access, site: str, canonical: str) -> dict[str, Any]:
    deed, recorded = access.deed, instant(access.at)
    restful = deed.interaction not in _OUR_OWN
    subtype = {"system": _RESTFUL if restful else f"{canonical}/CodeSystem/audit", "code": deed.interaction}
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(uuid.uuid4()),
        "meta": {"lastUpdated": recorded},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [subtype],
        "action": _ACTIONS.get(deed.interaction, "R" if deed.interaction in _READS else "E"),
        "recorded": recorded,
        "outcome": "0" if deed.status < 400 else "4" if deed.status < 500 else "8",
        "agent": [_agent(access.caller, access.address)],
        "source": {"site": site, "observer": {"display": f"Isodose {site}"}},
    }
    entities = list(_entities(deed))
    return {**event, "entity": entities} if entities else event


def _agent(caller: Caller | None, address: str) -> dict[str, Any]:
    agent: dict[str, Any] = {"name": caller.name if caller else "anonymous", "requestor": True}
    if caller is not None and caller.user:
        agent["who"] = {"identifier": {"value": caller.user}}
    if caller is not None and caller.client:
        agent["altId"] = caller.client
    return agent | ({"network": {"address": address, "type": "2"}} if address else {})


def _entities(deed: Deed) -> Iterable[dict[str, Any]]:
    role = {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1", "display": "Patient"}
    for patient in deed.patients:
        yield {"what": {"reference": f"Patient/{patient}"}, "role": role}
    if deed.type and deed.id and deed.type != "Patient":
        yield {"what": {"reference": f"{deed.type}/{deed.id}"}}
    asked = f"{deed.type}?{deed.query}" if deed.query else deed.type
    if asked and not deed.id:
        yield {"query": base64.b64encode(asked.encode()).decode()}
