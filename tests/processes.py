"""The services as processes of their own, which a test kills, stops for a while and starts again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

NAMES = ("ehr_ingestion", "eligibility_scoring", "are_surveillance", "ici_steroid_alerts", "worklist")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environments(
    event_log_url: str, new_database: Callable[[], str], replicas: Mapping[str, int] | None = None
) -> dict[str, dict[str, str]]:
    """Of each process: one per service, and `name#2` and so on where there are to be more."""
    ports = {name: free_port() for name in NAMES}
    common = {
        "ISODOSE_EVENT_LOG_URL": event_log_url,
        "ISODOSE_DEMONSTRATION_DAY": "2026-11-23",
        **{f"ISODOSE_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()},
        "ISODOSE_WORKLIST_URL": f"http://127.0.0.1:{ports['worklist']}/worklist",
    }
    made: dict[str, dict[str, str]] = {}
    for name, port in ports.items():
        made[name] = common | {"ISODOSE_PORT": str(port), "ISODOSE_DATABASE_URL": new_database()}
        for number in range(2, (replicas or {}).get(name, 1) + 1):
            made[f"{name}#{number}"] = made[name] | {"ISODOSE_PORT": str(free_port())}
    return made


class Services:
    """The processes by name; each can be killed, stopped for a while, and started again."""

    def __init__(self, environments: Mapping[str, Mapping[str, str]], logs: Path) -> None:
        self.environments = environments
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = [str(Path(sys.executable).parent / "isodose"), "serve", name.partition("#")[0]]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=os.environ | self.environments[name], stdout=log, stderr=log
            )

    def start_all(self, but: Sequence[str] = ()) -> None:
        started = [name for name in self.environments if name not in but]
        for name in started:
            self.start(name)
        for name in started:
            self.wait_until_ready(name)

    def kill(self, name: str) -> None:
        """As the machine would: no chance to finish anything."""
        self.send(name, signal.SIGKILL)
        self._running[name].wait()

    def terminate(self, name: str, within_s: float = 60) -> None:
        """As an operator would: what is under way comes to its end."""
        self.send(name, signal.SIGTERM)
        self._running[name].wait(within_s)

    def send(self, name: str, sign: signal.Signals) -> None:
        self._running[name].send_signal(sign)

    def threads(self, name: str) -> int:
        """How many threads the process has; 0 where the system does not say."""
        listed = Path(f"/proc/{self._running[name].pid}/task")
        return len(list(listed.iterdir())) if listed.exists() else 0

    def has_ended(self, name: str) -> bool:
        return self._running[name].poll() is not None

    def url(self, name: str) -> str:
        environment = self.environments[name]
        return f"http://{environment.get('ISODOSE_HOST', '127.0.0.1')}:{environment['ISODOSE_PORT']}"

    def is_ready(self, name: str) -> bool:
        try:
            return httpx.get(f"{self.url(name)}/readyz", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_until_ready(self, name: str, seconds: float = 300) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.has_ended(name):
            if self.is_ready(name):
                return
            time.sleep(0.1)
        pytest.fail(f"{name} is not ready: {self.log_of(name)[-2000:]}")

    def stop(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            process.wait(60)

    def log_of(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(encoding="utf-8")

    def log(self) -> str:
        return "".join(map(self.log_of, self._running))
