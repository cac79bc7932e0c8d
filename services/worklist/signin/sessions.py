"""Who has signed in, in the database: the browser holds a random name, here stands its digest.

A session ends after so long without a click, and after so long in any case; sign-ins that were begun end
after ten minutes and are taken once.
https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from isodose.storage.database import Database
from isodose.storage.tables import worklist_session as table

BEGUN_S = 600.0
SEEN_EVERY_S = 60.0


class Begun(msgspec.Struct, frozen=True):
    """A sign-in on its way: at which FHIR server, what it has to prove, and where to go afterwards."""

    issuer: str
    verifier: str
    nonce: str
    to: str


class Session(msgspec.Struct, frozen=True):
    """Someone signed in: the FHIR user, what they may do (SMART scopes), and the patient in context, if one
    is. `until` is the end in any case, in seconds since 1970.
    """

    user: str
    scopes: str
    patient: str | None
    until: float


class Sessions:
    """`idle_s` and `longest_s` bound a session. `clock` is in seconds since 1970."""

    def __init__(
        self, database: Database, idle_s: float, longest_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._clock = clock

    def begin(self, begun: Begun) -> str:
        """Keep a sign-in on its way; the state by which it is found again."""
        return self._keep("begun", begun, self._clock() + BEGUN_S)

    def take(self, state: str) -> Begun | None:
        """The sign-in of this state, once."""
        with self._database.begin() as conn:
            found = self._found(conn, "begun", state)
            if found is not None:
                conn.execute(delete(table).where(table.c.id == _digest(state)))
        return None if found is None else msgspec.json.decode(found[0], type=Begun)

    def open(self, user: str, scopes: str, patient: str | None) -> str:
        """A new session; the name that the browser is to hold."""
        until = self._clock() + self._longest_s
        return self._keep("session", Session(user, scopes, patient, until), until)

    def of(self, name: str, is_seen: bool = True) -> Session | None:
        """The session of this name, while it lasts. `is_seen` tells that somebody did something."""
        now = self._clock()
        with self._database.read() as conn:
            found = self._found(conn, "session", name)
        if found is None or now - found[1] > self._idle_s:
            return None
        if is_seen and now - found[1] > SEEN_EVERY_S:
            with self._database.begin() as conn:
                conn.execute(update(table).where(table.c.id == _digest(name)).values(seen=now))
        return msgspec.json.decode(found[0], type=Session)

    def close(self, name: str) -> None:
        with self._database.begin() as conn:
            conn.execute(delete(table).where(table.c.id == _digest(name)))

    def _keep(self, kind: str, content: msgspec.Struct, until: float) -> str:
        name, now = secrets.token_urlsafe(32), self._clock()
        text = msgspec.json.encode(content).decode()
        row = {"id": _digest(name), "kind": kind, "content": text, "seen": now, "until": until}
        with self._database.begin() as conn:
            conn.execute(delete(table).where(table.c.until < now))
            conn.execute(insert(table), row)
        return name

    def _found(self, conn: Connection, kind: str, name: str) -> tuple[str, float] | None:
        at = table.c
        wanted = select(at.content, at.seen).where(
            at.id == _digest(name), at.kind == kind, at.until > self._clock()
        )
        row = conn.execute(wanted).first()
        return None if row is None else (row.content, row.seen)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
