"""Kafka and PostgreSQL on hosts of their own: killed, filled, and started again on their files."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from pathlib import Path
from types import ModuleType

from sqlalchemy import create_engine, make_url, text

from chaos.disk import disk_for
from chaos.network import Network
from isodose.storage.database import Database

KAFKA_PORT, CONTROLLER_PORT = 9092, 9093


def send(pids: list[int], sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


class Kafka:
    """One broker; what it acknowledged survives the death of its process."""

    def __init__(self, script: ModuleType, data_dir: Path, network: Network) -> None:
        self._script = script
        self._data_dir = data_dir
        self._network = network
        self.url = f"kafka://{network.address('kafka')}:{KAFKA_PORT}"
        self.disk = disk_for(data_dir, self.pids)

    def start(self) -> None:
        """Start, or start again; returns when it can be reached."""
        reached = f"PLAINTEXT://{self._network.address('kafka')}:{KAFKA_PORT}"
        properties = {
            "listeners": f"PLAINTEXT://0.0.0.0:{KAFKA_PORT},CONTROLLER://127.0.0.1:{CONTROLLER_PORT}",
            "advertised.listeners": reached,
            "controller.quorum.voters": f"1@127.0.0.1:{CONTROLLER_PORT}",
        }
        with self._network.at("kafka"):
            self._script.start(self._data_dir, KAFKA_PORT, properties=properties)

    def stop(self) -> None:
        self._script.stop(self._data_dir)
        self.disk.close()

    def pids(self) -> list[int]:
        mark = self._data_dir / "kafka.pid"
        return [int(mark.read_text())] if mark.exists() else []

    def is_running(self) -> bool:
        return any(map(_lives, self.pids()))


class Postgres:
    """One server with a database for each service."""

    def __init__(self, script: ModuleType, data_dir: Path, network: Network) -> None:
        self._script = script
        self._data_dir = data_dir
        self._network = network
        self._access = data_dir.with_suffix(".hba")
        self._access.write_text("host all all all trust\n")
        self.disk = disk_for(data_dir, self.pids)

    def start(self) -> None:
        """Children of a killed server hold its memory for a moment; until they are gone it does not start."""
        parameters = {
            "listen_addresses": self._network.address("postgresql"),
            "hba_file": str(self._access),
            "max_wal_size": "96MB",
            "min_wal_size": "32MB",
        }
        for attempt in range(40):
            try:
                with self._network.at("postgresql"):
                    self._script.start(self._data_dir, 5432, parameters=parameters)
                return
            except self._script.CannotStart:
                if attempt == 39:
                    raise
                time.sleep(0.25)

    def stop(self) -> None:
        if self.is_running():
            self._script.stop(self._data_dir)
        self.disk.close()

    def pids(self) -> list[int]:
        mark = self._data_dir / "data" / "postmaster.pid"
        if not mark.exists():
            return []
        postmaster = int(mark.read_text().splitlines()[0])
        return [postmaster, *_children(postmaster)]

    def is_running(self) -> bool:
        return any(map(_lives, self.pids()))

    def new_database(self) -> str:
        name = f"chaos_{secrets.token_hex(4)}"
        maintenance = f"postgresql+psycopg://isodose@{self._network.address('postgresql')}:5432/postgres"
        engine = create_engine(maintenance, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        url = make_url(maintenance).set(database=name).render_as_string(hide_password=False)
        database = Database(url)
        database.migrate()
        database.dispose()
        return url


Server = Kafka | Postgres


def _lives(pid: int) -> bool:
    """A process that has ended, but whose parent has not asked how, lives no more."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(entry.name))
    return found
