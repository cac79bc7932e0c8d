"""Commands that the tests run: the installed one, or the one file that is wanted of Debian's package."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent / "deploy" / "target"


class CannotFetch(Exception):  # noqa: N818
    """It cannot be had here; the message says what is missing."""


def command(name: str, package: str, member: str) -> str:
    """Where the command is; `member` is its path in the package. Raises `CannotFetch`."""
    unpacked = TARGET / name
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    found = found or (str(unpacked) if unpacked.exists() else None)
    if found is None and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        TARGET.mkdir(exist_ok=True)
        subprocess.run(
            ["apt-get", "download", package], cwd=TARGET, capture_output=True, check=False, timeout=120
        )
        for archive in TARGET.glob(f"{package}_*.deb"):
            _unpack(archive, member, name)
            found = str(unpacked)
    if found is None:
        raise CannotFetch(f"no {name} found: install it, or Debian's package `{package}`")
    return found


def _unpack(archive: Path, path: str, name: str) -> None:
    """The one file that is wanted; the package goes."""
    whole = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(whole)) as packed:
        member = packed.getmember(f"./{path}")
        member.name = name
        packed.extract(member, TARGET, filter="data")
    archive.unlink()
