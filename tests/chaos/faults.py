"""What goes wrong, at random and known by its seed: processes are killed, or stand still as if cut off."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping

from chaos.servers import Server, send
from processes import Services

STILL_S = (0.5, 14.0)
"""The longest is longer than a consumer may be silent before its partitions are given to others."""


class Faults:
    """Makes faults one after the other, some while others are not mended yet; brings back whatever ended."""

    def __init__(self, services: Services, servers: Mapping[str, Server], seed: int, pause_s: float) -> None:
        self._services = services
        self._servers = servers
        self._chance = random.Random(seed)
        self._pause_s = pause_s
        self._busy: dict[str, threading.Thread] = {}
        self._failed: list[BaseException] = []
        self.made: Counter[str] = Counter()

    def make(self, many: int) -> None:
        every = [*self._services.environments, *self._servers]
        while self.made.total() < many:
            self._revive()
            free = [name for name in every if name not in self._working()]
            name = self._chance.choice(free)
            kind = "killed" if self._chance.random() < 0.7 else "still"
            away_s = self._chance.uniform(*STILL_S) if kind == "still" else self._chance.uniform(0, 1.5)
            self.made[f"{name.partition('#')[0]} {kind}"] += 1
            self._busy[name] = threading.Thread(target=self._guarded, args=(name, kind, away_s))
            self._busy[name].start()
            time.sleep(self._chance.uniform(0.2, 2 * self._pause_s))
            self._recover()

    def mend(self) -> None:
        """Wait until every fault is over and every service is ready."""
        for thread in self._busy.values():
            thread.join(120)
        for name in self._services.environments:
            until = time.monotonic() + 120
            while not self._services.is_ready(name):
                assert time.monotonic() < until, f"{name} is not ready: {self._services.log_of(name)[-2000:]}"
                self._revive()
                time.sleep(0.3)
        if self._failed:
            raise self._failed[0]

    def _recover(self) -> None:
        """Go on when at most two services are away: faults that meet nothing alive find nothing."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            self._revive()
            away = [name for name in self._services.environments if not self._services.is_ready(name)]
            if len(away) <= 2:
                return
            time.sleep(0.2)

    def _working(self) -> set[str]:
        return {name for name, thread in self._busy.items() if thread.is_alive()}

    def _revive(self) -> None:
        """As Kubernetes does: a service that refused to start, its database being away, is started again."""
        working = self._working()
        for name in self._services.environments:
            if name not in working and self._services.has_ended(name):
                self._services.start(name)

    def _guarded(self, name: str, kind: str, away_s: float) -> None:
        try:
            self._fault(name, kind, away_s)
        except BaseException as error:
            self._failed.append(error)

    def _fault(self, name: str, kind: str, away_s: float) -> None:
        server = self._servers.get(name)
        if kind == "still":
            pids = server.pids() if server else []
            self._signal(name, pids, signal.SIGSTOP)
            time.sleep(away_s)
            self._signal(name, pids, signal.SIGCONT)
        elif server:
            send(server.pids(), signal.SIGKILL)
            time.sleep(away_s)
            server.start()
        else:
            self._services.kill(name)
            time.sleep(away_s)
            self._services.start(name)

    def _signal(self, name: str, pids: list[int], sign: signal.Signals) -> None:
        if name in self._servers:
            send(pids, sign)
        else:
            self._services.send(name, sign)
