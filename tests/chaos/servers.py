"""Kafka and PostgreSQL that are killed and started again on the same ports and files."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from pathlib import Path
from types import ModuleType
from typing import Protocol

from sqlalchemy import create_engine, make_url, text

from isodose.storage.database import Database


class Server(Protocol):
    def start(self) -> None:
        """Start, or start again; returns when it can be reached."""

    def pids(self) -> list[int]:
        """Every process of it."""


def send(pids: list[int], sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


class Kafka:
    """One broker; what it acknowledged survives the death of its process."""

    def __init__(self, script: ModuleType, data_dir: Path) -> None:
        self._script = script
        self._data_dir = data_dir
        self.port: int = script.free_port()

    def start(self) -> None:
        self._script.start(self._data_dir, self.port)

    def stop(self) -> None:
        self._script.stop(self._data_dir)

    def pids(self) -> list[int]:
        return [int((self._data_dir / "kafka.pid").read_text())]


class Postgres:
    """One server with a database for each service."""

    def __init__(self, script: ModuleType, data_dir: Path) -> None:
        self._script = script
        self._data_dir = data_dir
        self._port: int = script.free_port()
        self._url = ""

    def start(self) -> None:
        """Children of a killed server hold its memory for a moment; until they are gone it does not start."""
        for attempt in range(40):
            try:
                self._url = self._script.start(self._data_dir, self._port)
                return
            except self._script.CannotStart:
                if attempt == 39:
                    raise
                time.sleep(0.25)

    def stop(self) -> None:
        self._script.stop(self._data_dir)

    def pids(self) -> list[int]:
        postmaster = int((self._data_dir / "data" / "postmaster.pid").read_text().splitlines()[0])
        return [postmaster, *_children(postmaster)]

    def new_database(self) -> str:
        name = f"chaos_{secrets.token_hex(4)}"
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        url = make_url(self._url).set(database=name).render_as_string(hide_password=False)
        database = Database(url)
        database.migrate()
        database.dispose()
        return url


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(entry.name))
    return found
