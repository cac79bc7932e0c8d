"""A thread that repeats one step until told to stop, outlives failures, and shows them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("isodose.events")


class Worker:
    """Calls `step` until `stop`. A step that raises is logged, shown as `last_error`, and repeated."""

    def __init__(self, name: str, step: Callable[[], None], recover: Callable[[], None]) -> None:
        self.last_error: str | None = None
        self.stopping = threading.Event()
        self._step = step
        self._recover = recover
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        self.stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause = 0.05
        while not self.stopping.is_set():
            try:
                self._step()
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
            self._recover()
        except Exception:
            _log.warning("%s: recovery failed", self._thread.name, exc_info=True)
