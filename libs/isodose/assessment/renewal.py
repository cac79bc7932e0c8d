"""Decides again for all who are due on a day or rest on other knowledge: in batches that can be resumed.

Each batch is one transaction that also moves the row by which the pass goes on (`storage.day_passes`): killed
at any moment, it goes on where it stood. Replicas of a service take turns, one batch each.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from isodose.assessment.decider import Decider
from isodose.assessment.handlers import Due, reassess
from isodose.events.worker import Worker
from isodose.storage.database import is_transient
from isodose.storage.day_passes import DayPass
from isodose.work import Work

AT_ONCE = 25
"""Patients per transaction: few enough that a changed record or another replica never waits long."""
AHEAD = 2_000
"""Patients looked up at once."""
UNPUBLISHED = 500
"""While more events wait for the log than this, no batch is begun."""

_log = logging.getLogger("isodose.assessment")


class Renewal(Worker):
    """Goes on with the pass of `decider`'s service, batch by batch, as long as there is one.

    `transaction` opens one write transaction, `reading` a snapshot. A patient on whom no decision can be made
    is passed over, counted, and tried again on the next day.
    """

    def __init__(
        self,
        decider: Decider,
        transaction: Callable[[], AbstractContextManager[Work]],
        reading: Callable[[], AbstractContextManager[Work]],
        poll_s: float = 2.0,
    ) -> None:
        super().__init__(f"renewal {decider.service}")
        self._decider = decider
        self._transaction = transaction
        self._reading = reading
        self._poll_s = poll_s
        self._ahead: list[str] = []
        self._after = ""
        self._pass: dt.datetime | None = None

    def run_once(self) -> int:
        """Renew one batch; how many patients it passed. 0 where nothing is left to do, or not now."""
        if not self._is_open():
            return 0
        try:
            with self._transaction() as work:
                return self._batch(work, AT_ONCE)
        except Exception as error:
            self._forget()
            if is_transient(error):
                raise
        return self._one_by_one()

    def step(self) -> None:
        if not self.run_once():
            self.rest(self._poll_s)

    def recover(self) -> None:
        self._forget()

    def _is_open(self) -> bool:
        """Looked up without the write lock: mostly there is nothing to do."""
        with self._reading() as work:
            going = work.passes.get(self._decider.service)
            return (
                going is not None
                and going.finished_at is None
                and going.knowledge_version == self._decider.knowledge.version
                and not work.outbox.is_behind(UNPUBLISHED)
            )

    def _batch(self, work: Work, size: int) -> int:
        service = self._decider.service
        going = work.passes.take(service)
        if going is None or going.knowledge_version != self._decider.knowledge.version:
            return 0
        patients = self._next(work, going, size)
        if not patients:
            work.passes.finish(service)
            return 0
        work.records.lock(*patients)
        records = work.records.get_many(patients)
        reassess(
            work, self._decider, [Due(records[id], going.on, going.traceparent) for id in sorted(records)]
        )
        work.passes.move(service, patients[-1])
        return len(patients)

    def _one_by_one(self) -> int:
        """A batch of single patients, passing over those on whom no decision can be made."""
        passed = 0
        for _ in range(AT_ONCE):
            try:
                with self._transaction() as work:
                    done = self._batch(work, 1)
            except Exception as error:
                self._forget()
                if is_transient(error):
                    raise
                done = self._pass_over(error)
            if not done:
                break
            passed += done
        return passed

    def _pass_over(self, error: Exception) -> int:
        with self._transaction() as work:
            going = work.passes.take(self._decider.service)
            patients = self._next(work, going, 1) if going else []
            if not patients:
                return 0
            work.passes.move(self._decider.service, patients[-1], failed=1)
        service = {"service": self._decider.service, "error": type(error).__name__}
        _log.error("a patient was not renewed", extra=service)
        return 1

    def _next(self, work: Work, going: DayPass, size: int) -> list[str]:
        """The next patients in the database's order of ids. What was looked up ahead holds for this pass."""
        if self._pass != going.begun_at:
            self._ahead, self._pass = [], going.begun_at
        elif going.after in self._ahead[:AT_ONCE]:
            self._ahead = self._ahead[self._ahead.index(going.after) + 1 :]
        elif going.after != self._after:
            self._ahead = []
        self._after = going.after
        if not self._ahead:
            self._ahead = work.guidance.to_renew(
                going.service, going.on, going.knowledge_version, after=going.after, limit=AHEAD
            )
        return self._ahead[:size]

    def _forget(self) -> None:
        self._ahead = []
