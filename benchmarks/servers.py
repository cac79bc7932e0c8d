"""Real servers for the measurements: PostgreSQL, Kafka, our services, bare references; each stopped again."""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sqlalchemy import create_engine, make_url, text

from benchmarks import usage

ROOT = Path(__file__).resolve().parent.parent


class PeerAbsent(Exception):  # noqa: N818
    """A peer cannot run on this machine; the message says which and why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def directory() -> Iterator[Path]:
    """A directory that a server running as another user can reach."""
    path = Path(tempfile.mkdtemp(prefix="isodose-bench-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgresql(*names: str) -> Iterator[dict[str, str]]:
    """A private PostgreSQL with an empty database for each name; yields their URLs by name."""
    running = script("postgres")
    with directory() as place:
        maintenance = make_url(running.start(place))
        try:
            engine = create_engine(maintenance, isolation_level="AUTOCOMMIT")
            with engine.connect() as conn:
                for name in names:
                    conn.execute(text(f'CREATE DATABASE "{name}"'))
            engine.dispose()
            yield {name: maintenance.set(database=name).render_as_string(False) for name in names}
        finally:
            running.stop(place)


@contextmanager
def kafka() -> Iterator[str]:
    """A private single-node Apache Kafka with the topics of the contract; yields `kafka://host:port`."""
    running = script("kafka")
    with directory() as place:
        try:
            url = f"kafka://127.0.0.1:{running.start(place)}"
            _isodose(["topics", "apply"], {"ISODOSE_EVENT_LOG_URL": url})
            yield url
        finally:
            running.stop(place)


@dataclass(frozen=True)
class Started:
    """A server that is ready: its port, its process, and how long it took until then."""

    port: int
    pid: int
    wall_s: float
    cpu_s: float


@contextmanager
def isodose(service: str, **settings: str) -> Iterator[int]:
    """`isodose serve SERVICE` on a migrated database; yields the port once it is ready."""
    with started(service, **settings) as one:
        yield one.port


@contextmanager
def started(service: str, *, migrated: bool = False, **settings: str) -> Iterator[Started]:
    """As `isodose`, with what its start took; `migrated` says that the database has its schema already."""
    port = free_port()
    with directory() as place:
        environment = {
            "ISODOSE_DATA_DIR": str(place),
            "ISODOSE_PORT": str(port),
            "ISODOSE_LOG_LEVEL": "WARNING",
            **{f"ISODOSE_{name.upper()}": value for name, value in settings.items()},
        }
        if not migrated:
            migrate(service, environment)
        command = [sys.executable, "-m", "all_in_one", "serve", service]
        with _process(command, environment, port) as one:
            yield one


def migrate(service: str, environment: Mapping[str, str]) -> None:
    _isodose(["migrate", service], environment)


def _isodose(arguments: list[str], environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "all_in_one", *arguments]
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def echo() -> Iterator[int]:
    """A bare FastAPI that answers with the body it was sent; yields the port."""
    with started_echo() as one:
        yield one.port


@contextmanager
def started_echo() -> Iterator[Started]:
    """As `echo`, with what its start took."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.echo:app", "--port", str(port)]
    with _process([*command, "--log-level", "warning", "--no-access-log"], {}, port, ready="/") as one:
        yield one


@contextmanager
def application(python: Path, name: str, cwd: Path, ready: str) -> Iterator[Started]:
    """An ASGI application `module:name` under another interpreter's uvicorn."""
    port = free_port()
    command = [str(python), "-m", "uvicorn", name, "--port", str(port), "--log-level", "error"]
    with _process([*command, "--no-access-log"], {}, port, ready, cwd) as one:
        yield one


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], port: int, ready: str = "/readyz", cwd: Path = ROOT
) -> Iterator[Started]:
    begin = time.monotonic()
    said = None if cwd == ROOT else subprocess.DEVNULL  # a peer has a banner, and warns at each call
    environment = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=said, stderr=said)
    try:
        _wait(process, port, ready)
        yield Started(port, process.pid, time.monotonic() - begin, usage.cpu_s(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not become ready")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", ROOT / "deploy" / name / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
