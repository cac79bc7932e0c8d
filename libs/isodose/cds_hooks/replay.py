"""A token of a CDS call is used once: in this process, and on all replicas that share a database.

https://cds-hooks.hl7.org/2.0/#trusting-cds-clients
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from isodose.storage import used_tokens
from isodose.storage.database import Database

MOST_REMEMBERED = 200_000
CLEANED_EVERY_S = 600
_log = logging.getLogger(__name__)


class OwnMemory:
    """What this process saw."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._used: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def use(self, issuer: str, jti: str, until: float) -> bool:
        """Whether this is the first use of a token that is not believed after `until`."""
        now = self._clock()
        with self._lock:
            if self._used.get((issuer, jti), 0) > now:
                return False
            self._used[(issuer, jti)] = until
            if len(self._used) > MOST_REMEMBERED:
                self._used = {key: end for key, end in self._used.items() if end > now}
        return True


class SharedMemory:
    """What all replicas saw, in the database that they share; while it is away, what this process saw."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._own = OwnMemory(clock)
        self._cleaned = 0.0

    def use(self, issuer: str, jti: str, until: float) -> bool:
        """As of any memory. A call is not refused because the database is away: its answer needs none."""
        if not self._own.use(issuer, jti, until):
            return False
        try:
            with self._database.begin() as conn:
                first = used_tokens.use(conn, issuer, jti, until)
                self._clean(conn)
        except SQLAlchemyError as error:
            _log.warning("a CDS call was taken on this replica's memory alone: %s", type(error).__name__)
            return True
        return first

    def _clean(self, conn: Connection) -> None:
        now = self._clock()
        if now - self._cleaned > CLEANED_EVERY_S:
            used_tokens.forget(conn, now)
            self._cleaned = now


Memory = OwnMemory | SharedMemory


def memory_of(database: Database | None) -> Memory:
    """Shared where replicas can share it; a file has one process, where no card waits for who writes."""
    return OwnMemory() if database is None or database.dialect == "sqlite" else SharedMemory(database)
