"""How many patients stand how, and how a pass over them goes on: gauges, with nothing about one patient."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from isodose.telemetry.metrics import Metrics
from isodose.work import Work

GOOD_FOR_S = 60.0


class Population:
    """The gauges of one decision service. Patients are counted at most once a minute, by an index."""

    def __init__(self, service: str, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._metrics = metrics
        self._clock = clock
        self._counted_at = -GOOD_FOR_S
        self._seen: set[str] = set()

    def measure(self, work: Work) -> None:
        """Bring the gauges up to date."""
        going = work.passes.get(self._service)
        waited = going.waited(dt.datetime.now(dt.UTC)) if going else dt.timedelta()
        self._metrics.pass_seconds.labels(self._service).set(waited.total_seconds())
        self._metrics.pass_failed.labels(self._service).set(going.failed if going else 0)
        if self._clock() - self._counted_at < GOOD_FOR_S:
            return
        self._counted_at = self._clock()
        counted = work.guidance.count_by_state(self._service)
        self._seen |= set(counted)
        for state in sorted(self._seen):
            self._metrics.patients.labels(self._service, state).set(counted.get(state, 0))
