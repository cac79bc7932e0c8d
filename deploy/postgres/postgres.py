#!/usr/bin/env python3
# ruff: noqa: S603
"""A private PostgreSQL on loopback with its own data directory, from the machine's own binaries.

    python deploy/postgres/postgres.py start --data-dir var/postgres --port 5432
    python deploy/postgres/postgres.py stop  --data-dir var/postgres

PostgreSQL refuses to run as root; root runs it as the user `postgres` (or the one of --user).
https://www.postgresql.org/docs/current/app-initdb.html
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
timezone = 'UTC'
"""


class CannotStart(Exception):  # noqa: N818
    """PostgreSQL cannot run here; the message says what is missing."""


def binaries() -> Path:
    """The directory of `initdb`, by `pg_config`, the usual places or PATH. Raises `CannotStart`."""
    places = []
    if config := shutil.which("pg_config"):
        named = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(named.stdout.strip()))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(versions, key=lambda path: path.parent.name.zfill(4), reverse=True)
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).parent)
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    raise CannotStart("no PostgreSQL found: install its server (initdb, pg_ctl), or put it on PATH")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    data_dir: Path,
    port: int | None = None,
    user: str = "postgres",
    parameters: Mapping[str, str] | None = None,
) -> str:
    """Start PostgreSQL on an initialised data directory (made if need be) and return its SQLAlchemy URL.

    What is made sorts by the rules of a language, as most databases of hospitals do: no search may need the
    order of bytes.

    `parameters` override those of the configuration.
    """
    found = binaries()
    port = port or free_port()
    data = data_dir / "data"
    data_dir.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(data_dir, _account(user).pw_name)
    if not (data / "PG_VERSION").exists():
        options = ["--auth=trust", "--username=isodose", "--no-sync", "--encoding=UTF8", "--locale=C"]
        options += ["--locale-provider=icu", "--icu-locale=en-US"]
        _run([found / "initdb", "-D", data, *options], user)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS.format(port=port))
    given = {"port": str(port), **(parameters or {})}
    options = ["-o", " ".join(f"-c {name}={value}" for name, value in given.items())]
    _run([found / "pg_ctl", "-D", data, "-l", data_dir / "postgres.log", "-w", *options, "start"], user)
    return f"postgresql+psycopg://isodose@127.0.0.1:{port}/postgres"


def stop(data_dir: Path, user: str = "postgres") -> None:
    """Stop the PostgreSQL of this data directory; nothing happens when none runs."""
    data = data_dir / "data"
    if (data / "postmaster.pid").exists():
        _run([binaries() / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop"], user)


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise CannotStart(f"root cannot run PostgreSQL and there is no user {user!r} to run it as") from None


def _run(command: list[Path | str], user: str) -> None:
    identity = {}
    if os.geteuid() == 0:
        account = _account(user)
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
        **identity,
    )
    if done.returncode != 0:
        raise CannotStart(f"`{' '.join(str(part) for part in command)}` failed with code {done.returncode}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("--data-dir", type=Path, default=Path("var/postgres"))
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--user", default="postgres")
    arguments = parser.parse_args()
    try:
        if arguments.action == "start":
            print(start(arguments.data_dir.resolve(), arguments.port, arguments.user))
        else:
            stop(arguments.data_dir.resolve(), arguments.user)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
