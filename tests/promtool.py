"""Prometheus' own judge of rules and configuration: the installed one, or that of Debian's package."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent / "deploy" / "target"


class CannotFetch(Exception):  # noqa: N818
    """It cannot be had here; the message says what is missing."""


def promtool() -> str:
    """The command. Raises `CannotFetch`."""
    unpacked = TARGET / "promtool"
    found = shutil.which("promtool") or (str(unpacked) if unpacked.exists() else None)
    if found is None and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        TARGET.mkdir(exist_ok=True)
        subprocess.run(
            ["apt-get", "download", "prometheus"], cwd=TARGET, capture_output=True, check=False, timeout=120
        )
        for package in TARGET.glob("prometheus_*.deb"):
            _unpack(package)
            found = str(unpacked)
    if found is None:
        raise CannotFetch("no promtool found: install Prometheus, or Debian's package `prometheus`")
    return found


def _unpack(package: Path) -> None:
    """The one file that is wanted; the package goes."""
    whole = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(whole)) as packed:
        member = packed.getmember("./usr/bin/promtool")
        member.name = "promtool"
        packed.extract(member, TARGET, filter="data")
    package.unlink()


def judged(*arguments: str, at: Path) -> None:
    """Run it in this directory; fails with what it says against the files."""
    done = subprocess.run([promtool(), *arguments], cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
