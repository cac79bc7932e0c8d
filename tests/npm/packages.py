"""What the tests use from the npm registry: exact versions, checked by their checksums, fetched once."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "target"
LOCK_FILES = ("package.json", "package-lock.json")
MCODE = "hl7.fhir.us.mcode@4.0.0"
MCODE_SHA512 = "HJogFi9rQetIUE8gqKFq2tt4I8ukdH3PUCQO5jBiKxYUgh+vrlXvkWkt/XuYOzpNPdfRmsj3LG4UJm5o1g2OlA=="


class CannotFetch(Exception):  # noqa: N818
    """The package cannot be had here; the message says what is missing."""


def node() -> str:
    """The Node command. Raises `CannotFetch`."""
    found = shutil.which("node")
    if found is None:
        raise CannotFetch("no Node found: install Node 20 or later")
    return found


def clients() -> Path:
    """The directory of the locked clients' modules. Raises `CannotFetch`."""
    pinned = "".join((HERE / name).read_text(encoding="utf-8") for name in LOCK_FILES)

    def fetch(directory: Path) -> None:
        for name in LOCK_FILES:
            shutil.copyfile(HERE / name, directory / name)
        _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", at=directory)

    return _once("clients", pinned, fetch) / "node_modules"


def mcode() -> Path:
    """The unpacked official package of mCODE. Raises `CannotFetch`.

    It is fetched without what it depends on: those packages are not on npm.
    """

    def fetch(directory: Path) -> None:
        _npm("pack", MCODE, at=directory)
        (archive,) = directory.glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != MCODE_SHA512:
            raise AssertionError(f"{MCODE} is not the package that was checked: its sha512 is {digest}")
        with tarfile.open(archive) as packed:
            packed.extractall(directory, filter="data")

    return _once("mcode", MCODE_SHA512, fetch) / "package"


def _once(name: str, pinned: str, fetch: Callable[[Path], None]) -> Path:
    """The directory filled by `fetch`, anew when what is pinned has changed."""
    directory, mark = TARGET / name, TARGET / f"{name}.pinned"
    with _alone():
        if not mark.exists() or mark.read_text(encoding="utf-8") != pinned:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            fetch(directory)
            mark.write_text(pinned, encoding="utf-8")
    return directory


@contextmanager
def _alone() -> Iterator[None]:
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _npm(*arguments: str, at: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CannotFetch("no npm found: install Node with npm")
    done = subprocess.run([npm, *arguments], cwd=at, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotFetch(f"npm could not fetch the packages of the tests:\n{done.stderr[-2000:]}")
