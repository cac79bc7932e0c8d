"""Where faults are made: replicas, servers, the network between them, and who brings them back."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chaos.hosted import HostedServices
from chaos.load import Ehr
from chaos.network import Network
from chaos.others import HOSTS
from chaos.servers import Server, send

if TYPE_CHECKING:
    from chaos.faults import Fault

GRACE_S = 45
"""A service that is told to stop has so long; as in `k8s/base`."""
FEW_AWAY = 3


class Site:
    """Makes faults side by side, and starts whatever has ended, as Kubernetes and an operator would."""

    def __init__(
        self, services: HostedServices, servers: Mapping[str, Server], network: Network, ehrs: Sequence[Ehr]
    ) -> None:
        self.services = services
        self.servers = servers
        self.network = network
        self.names = list(services.environments)
        self.made: Counter[str] = Counter()
        self.forced = 0
        self._ehrs = ehrs
        self._going: list[tuple[Fault, threading.Thread]] = []
        self._failed: list[BaseException] = []

    def ways(self) -> list[tuple[str, str]]:
        """The pairs of hosts that talk to one another; the one that asks stands first."""
        to_servers = [(name, server) for name in self.names for server in self.servers]
        ingesting = [name for name in self.names if name.startswith("ehr_ingestion")]
        to_others = [(name, other) for name in ingesting for other in HOSTS]
        return [*to_servers, *to_others, *(("ehr", name) for name in ingesting)]

    def taken(self) -> frozenset[str]:
        return frozenset().union(*(fault.places for fault, thread in self._going if thread.is_alive()))

    def suffer(self, faults: Iterable[Fault], pauses: Iterable[float]) -> None:
        """One fault after the other, the next often before the last is over. Raises what failed."""
        for fault, pause_s in zip(faults, pauses, strict=False):
            thread = threading.Thread(target=self._guarded, args=(fault,), name=fault.kind)
            self._going.append((fault, thread))
            self.made[fault.kind] += 1
            where = ", ".join(sorted(fault.places))
            print(f"{self.made.total():4}  {fault.kind}: {where} ({fault.lasts_s:.1f} s)", flush=True)
            thread.start()
            time.sleep(pause_s)
            self._until_few_are_away()
            self._raise_failed()
        for _, thread in self._going:
            thread.join(180)
        self._until_all_are_ready()
        self._raise_failed()

    def start(self, name: str) -> None:
        if name in self.servers:
            self.servers[name].start()
        else:
            self.services.start(name)

    def welcome(self, names: Iterable[str]) -> None:
        """These are ready: clients are sent there again."""
        urls = {self.services.url(name) for name in names}
        for ehr in self._ehrs:
            ehr.leaving -= urls

    def kill(self, name: str) -> None:
        send(self.servers[name].pids(), signal.SIGKILL)

    def stop(self, name: str) -> None:
        """As Kubernetes does: nobody is sent there any more, then it is told, and in the end it is killed."""
        for ehr in self._ehrs:
            ehr.leaving.add(self.services.url(name))
        time.sleep(0.5)
        try:
            self.services.terminate(name, GRACE_S)
        except subprocess.TimeoutExpired:
            self.forced += 1
            self.services.kill(name)

    def pause(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def cut_answers(self, one: str, other: str) -> None:
        self.network.cut(one, other, both_ways=False)

    def cut_off(self, name: str) -> None:
        for way in self._ways_of(name):
            self.network.cut(*way)

    def join(self, name: str) -> None:
        for way in self._ways_of(name):
            self.network.mend(*way)

    def fill(self, name: str) -> None:
        self.servers[name].disk.fill()

    def clear(self, name: str) -> None:
        """A server that ended for want of room is started again."""
        self.servers[name].disk.clear()
        time.sleep(0.5)
        if not self.servers[name].is_running():
            self.servers[name].start()

    def _ways_of(self, name: str) -> list[tuple[str, str]]:
        return [way for way in self.ways() if name in way]

    def _signal(self, name: str, sign: signal.Signals) -> None:
        if name in self.servers:
            send(self.servers[name].pids(), sign)
        else:
            self.services.send(name, sign)

    def _guarded(self, fault: Fault) -> None:
        try:
            fault.happen()
        except BaseException as error:
            error.add_note(f"in {fault.kind} of {', '.join(fault.places)}")
            self._failed.append(error)

    def _raise_failed(self) -> None:
        if self._failed:
            raise self._failed[0]

    def _away(self) -> list[str]:
        """Asked all at once: one that is cut off answers nothing for a while."""
        with ThreadPoolExecutor(len(self.names)) as asking:
            ready = dict(zip(self.names, asking.map(self.services.is_ready, self.names), strict=True))
        self.welcome(name for name in self.names if ready[name] and name not in self.taken())
        return [name for name in self.names if not ready[name]]

    def _until_few_are_away(self) -> None:
        """Faults that meet nothing alive find nothing."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            self._revive()
            if len(self._away()) <= FEW_AWAY:
                return
            time.sleep(0.2)

    def _until_all_are_ready(self) -> None:
        until = time.monotonic() + 180
        while away := self._away():
            said = {name: self.services.log_of(name)[-1500:] for name in away}
            assert time.monotonic() < until, f"not ready: {said}"
            self._revive()
            time.sleep(0.3)

    def _revive(self) -> None:
        """As Kubernetes does: a service that refused to start, its database being away, is started again."""
        taken = self.taken()
        for name in self.names:
            if name not in taken and self.services.has_ended(name):
                with contextlib.suppress(subprocess.SubprocessError):
                    self.start(name)
