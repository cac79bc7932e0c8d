"""A thread that repeats one step until told to stop, outlives failures, and shows them."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

_log = logging.getLogger("isodose.events")


class Worker(ABC):
    """Repeats `step` until `stop`. A step that raises is logged, shown as `last_error`, and repeated after
    `recover` and a pause that grows.
    """

    def __init__(self, name: str) -> None:
        self.last_error: str | None = None
        self.stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def step(self) -> None:
        """Do what is there to do, or `rest`."""

    @abstractmethod
    def recover(self) -> None:
        """Let go of what a failed step may have left half done."""

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is going on."""
        self.stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(30.0)

    def wake(self) -> None:
        """Something was committed: look now instead of at the next interval."""
        self._woken.set()

    def rest(self, seconds: float) -> None:
        """Wait, but no longer than until somebody wakes this worker or stops it."""
        if not self.stopping.is_set():
            self._woken.wait(seconds)

    def _run(self) -> None:
        pause = 0.05
        while not self.stopping.is_set():
            try:
                self._woken.clear()
                self.step()
                self.last_error = None
                pause = 0.05
            except Exception as error:
                if self.last_error is None:
                    _log.warning("%s: %s", self._thread.name, type(error).__name__, exc_info=True)
                self.last_error = type(error).__name__
                self._safely_recover()
                self.stopping.wait(pause)
                pause = min(pause * 2, 5.0)

    def _safely_recover(self) -> None:
        try:
            self.recover()
        except Exception:
            _log.warning("%s: recovery failed", self._thread.name, exc_info=True)
