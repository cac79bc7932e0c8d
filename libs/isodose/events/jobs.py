"""What is to be done at another system: asked for in the transaction of its cause, done after the commit.

A job is a thing to bring up to date ("tell this subscriber", "read this patient"), not a message: asked for
again while it waits, it is done once; asked for again while it is being done, it is done once more. So a
handler looks at what is stored when it runs, and may be interrupted and repeated at any point.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from isodose.events.lease import lease_of
from isodose.events.worker import Worker
from isodose.storage.database import Database, insert, is_transient
from isodose.storage.tables import job

AT_ONCE = 4
ASKED_AT_ONCE = 1_000
"""A statement takes so many values and no more: 65,535 of PostgreSQL."""
LONGEST_WAIT_S = 600.0
ATTEMPTS = 5
_log = logging.getLogger("isodose.events")


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do. `attempts` tells how often it was tried in vain since it was asked for, `failures` how
    many of these were nobody's outage.
    """

    kind: str
    key: str
    version: int
    attempts: int
    failures: int = 0


Handler = Callable[[Job], dt.datetime | None]
"""Does a job; when to do it again without being asked, or None. Raises `LaterError`, `GiveUpError`."""


class LaterError(Exception):
    """The other system is away or busy: the job waits, however long. The message names no patient.

    With `failed` it is there and did not do what was asked: the handler counts these by `Job.failures`.
    """

    def __init__(self, said: str, after_s: float = 0.0, *, failed: bool = False) -> None:
        self.after_s = after_s
        self.failed = failed
        super().__init__(said)


class GiveUpError(Exception):
    """The job cannot succeed as things are; it is set aside. The message names no patient."""


def ask(conn: Connection, kind: str, *keys: str, at: dt.datetime | None = None) -> None:
    """Ask for jobs inside the transaction of `conn`, `at` an instant or now.

    One that waits already waits no longer than it did; one that was set aside is taken up again.
    """
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            "kind": kind, "key": key, "version": 1, "attempts": 0, "failures": 0, "asked_at": now,
            "due_at": at or now, "failed_at": None, "error": "",
        }
        for key in sorted(set(keys))
    ]  # fmt: skip
    for start in range(0, len(rows), ASKED_AT_ONCE):
        _ask_together(conn, rows[start : start + ASKED_AT_ONCE])


def _ask_together(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    statement = insert(conn, job).values(rows)
    new, old = statement.excluded, job.c
    aside = old.failed_at.is_not(None)
    idle = or_(aside, and_(old.attempts == 0, old.due_at > new.due_at))
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[old.kind, old.key],
            set_={
                "version": old.version + 1,
                "attempts": case((aside, 0), else_=old.attempts),
                "failures": case((aside, 0), else_=old.failures),
                "asked_at": case((idle, new.asked_at), else_=old.asked_at),
                "due_at": case((idle, new.due_at), else_=old.due_at),
                "failed_at": None,
                "error": case((aside, ""), else_=old.error),
            },
        )
    )


def drop(conn: Connection, kind: str, key: str) -> None:
    """The job is wanted no longer."""
    conn.execute(delete(job).where(job.c.kind == kind, job.c.key == key))


@dataclass(frozen=True, slots=True)
class Standing:
    """How the jobs of one kind stand: due or tried in vain, set aside, and since when the first is due."""

    waiting: int
    failed: int
    oldest: dt.timedelta


def standing(conn: Connection, kinds: Iterable[str]) -> dict[str, Standing]:
    """How jobs stand, by kind. One that is only due later does not wait."""
    now = dt.datetime.now(dt.UTC)
    failed = job.c.failed_at.is_not(None)
    waits = and_(~failed, or_(job.c.due_at <= now, job.c.attempts > 0))
    query = select(
        job.c.kind,
        func.sum(case((waits, 1), else_=0)),
        func.sum(case((failed, 1), else_=0)),
        func.min(case((waits, job.c.asked_at))),
    ).group_by(job.c.kind)
    found = {
        kind: Standing(waiting, aside, now - _aware(since) if since else dt.timedelta())
        for kind, waiting, aside, since in conn.execute(query)
    }
    return {kind: found.get(kind, Standing(0, 0, dt.timedelta())) for kind in kinds}


def _due(kinds: Iterable[str]) -> Select[Any]:
    """The jobs of these kinds that are due `now`, the longest due first, at `most` so many."""
    at = job.c
    waiting = and_(at.failed_at.is_(None), at.due_at <= bindparam("now"), at.kind.in_(list(kinds)))
    found = select(at.kind, at.key, at.version, at.attempts, at.failures).where(waiting)
    return found.order_by(at.due_at, at.key).limit(bindparam("most"))


class JobRunner(Worker):
    """Does the jobs of a database, some at once, never two for the same thing.

    One runner of a database works at a time, another waits its turn; the death of one frees the turn. A job
    ends only after its handler did. `ATTEMPTS` failures that are nobody's outage set it aside.
    """

    def __init__(
        self, database: Database, handlers: Mapping[str, Handler], poll_s: float = 1.0, at_once: int = AT_ONCE
    ) -> None:
        super().__init__("jobs")
        self._database = database
        self._handlers = handlers
        self._poll_s = poll_s
        self._at_once = at_once
        self._due = _due(handlers)
        self._lease = lease_of(database, "jobs")
        self._running: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(at_once, "job")

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._handlers)

    def stop(self) -> None:
        """Wait for the jobs that are being done; the others stay for the next runner."""
        super().stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._lease.release()

    def recover(self) -> None:
        self._lease.release()

    def step(self) -> None:
        if not self._lease.acquire() or not self._begin_due():
            self.rest(self._poll_s)

    def _begin_due(self) -> int:
        """Begin what is due, as far as there is room; how many."""
        with self._lock:
            busy = set(self._running)
        room = self._at_once - len(busy)
        if room <= 0:
            return 0
        reading = self._lease.transaction if self._database.dialect == "postgresql" else self._database.read
        with reading() as conn:
            rows = conn.execute(self._due, {"now": dt.datetime.now(dt.UTC), "most": room + len(busy)}).all()
        chosen = [Job(*row) for row in rows if (row.kind, row.key) not in busy][:room]
        for one in chosen:
            with self._lock:
                self._running.add((one.kind, one.key))
            self._pool.submit(self._do, one)
        return len(chosen)

    def _do(self, one: Job) -> None:
        try:
            self._settle(one)
        except Exception:
            _log.warning("a job could not be settled", exc_info=True, extra={"job": one.kind})
            self.stopping.wait(1.0)
        finally:
            with self._lock:
                self._running.discard((one.kind, one.key))
            self.wake()

    def _settle(self, one: Job) -> None:
        try:
            again = self._handlers[one.kind](one)
        except GiveUpError as error:
            self._give_up(one, str(error))
        except LaterError as error:
            failures = one.failures + error.failed
            self._wait(replace(one, failures=failures), str(error), error.after_s)
        except Exception as error:
            _log.warning("a job failed", exc_info=True, extra={"job": one.kind, "attempt": one.attempts + 1})
            failures = one.failures + (not is_transient(error))
            if failures >= ATTEMPTS:
                self._give_up(one, type(error).__name__)
            else:
                self._wait(replace(one, failures=failures), type(error).__name__, 0.0)
        else:
            self._done(one, again)

    def _done(self, one: Job, again: dt.datetime | None) -> None:
        asked_again = {"attempts": 0, "failures": 0, "due_at": dt.datetime.now(dt.UTC), "error": ""}
        with self._database.begin() as conn:
            same = _this(one), job.c.version == one.version
            if again is None:
                ended = conn.execute(delete(job).where(*same)).rowcount
            else:
                later = {"attempts": 0, "failures": 0, "asked_at": again, "due_at": again, "error": ""}
                ended = conn.execute(update(job).where(*same).values(later)).rowcount
            if not ended:
                conn.execute(update(job).where(_this(one)).values(asked_again))

    def _wait(self, one: Job, said: str, after_s: float) -> None:
        due = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=max(after_s, pause_s(one.attempts)))
        tried = {"attempts": one.attempts + 1, "failures": one.failures}
        waiting = {**tried, "due_at": due, "error": said[:255]}
        with self._database.begin() as conn:
            conn.execute(update(job).where(_this(one)).values(waiting))

    def _give_up(self, one: Job, said: str) -> None:
        aside = {"failed_at": dt.datetime.now(dt.UTC), "error": said[:255]}
        with self._database.begin() as conn:
            same = conn.execute(update(job).where(_this(one), job.c.version == one.version).values(aside))
            if not same.rowcount:
                conn.execute(update(job).where(_this(one)).values(due_at=dt.datetime.now(dt.UTC)))
        _log.error("a job was set aside", extra={"job": one.kind, "attempt": one.attempts + 1})


def pause_s(attempts: int) -> float:
    """Seconds before the next attempt: twice as long each time, never all waiters at once."""
    return min(2.0**attempts, LONGEST_WAIT_S) * random.uniform(0.5, 1.0)  # noqa: S311


def _this(one: Job) -> ColumnElement[bool]:
    return and_(job.c.kind == one.kind, job.c.key == one.key)


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC)
