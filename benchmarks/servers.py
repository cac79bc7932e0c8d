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
from pathlib import Path
from types import ModuleType

from sqlalchemy import create_engine, make_url, text

ROOT = Path(__file__).resolve().parent.parent


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
    script = _script("postgres")
    with directory() as place:
        maintenance = make_url(script.start(place))
        try:
            engine = create_engine(maintenance, isolation_level="AUTOCOMMIT")
            with engine.connect() as conn:
                for name in names:
                    conn.execute(text(f'CREATE DATABASE "{name}"'))
            engine.dispose()
            yield {name: maintenance.set(database=name).render_as_string(False) for name in names}
        finally:
            script.stop(place)


@contextmanager
def kafka() -> Iterator[str]:
    """A private single-node Apache Kafka with the topics of the contract; yields `kafka://host:port`."""
    script = _script("kafka")
    with directory() as place:
        try:
            url = f"kafka://127.0.0.1:{script.start(place)}"
            _isodose(["topics", "apply"], {"ISODOSE_EVENT_LOG_URL": url})
            yield url
        finally:
            script.stop(place)


@contextmanager
def isodose(service: str, **settings: str) -> Iterator[int]:
    """`isodose serve SERVICE` on a migrated database; yields the port once it is ready."""
    port = free_port()
    with directory() as place:
        environment = {
            "ISODOSE_DATA_DIR": str(place),
            "ISODOSE_PORT": str(port),
            "ISODOSE_LOG_LEVEL": "WARNING",
            **{f"ISODOSE_{name.upper()}": value for name, value in settings.items()},
        }
        _isodose(["migrate", service], environment)
        with _process([sys.executable, "-m", "all_in_one", "serve", service], environment, port):
            yield port


def _isodose(arguments: list[str], environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "all_in_one", *arguments]
    subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def echo() -> Iterator[int]:
    """A bare FastAPI that answers with the body it was sent; yields the port."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.echo:app", "--port", str(port)]
    with _process([*command, "--log-level", "warning", "--no-access-log"], {}, port, ready="/"):
        yield port


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], port: int, ready: str = "/readyz"
) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
    try:
        _wait(process, port, ready)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} did not become ready")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", ROOT / "deploy" / name / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
