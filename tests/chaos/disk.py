"""A disk that is filled while a server writes to it, and given room again: a small file system, or a limit.

The first is told of as a disk is ("no space left on device"); without the right to mount, each process is
forbidden to write instead, which PostgreSQL and the JVM take for a full disk as well ("file too large").
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

WHOLE_KB = 2_000_000
_SPARE_KB = 16


class SmallDisk:
    """A file system in memory at `directory`, shrunk to what is on it while it is full."""

    said = "a small file system"

    def __init__(self, directory: Path) -> None:
        """Raises `PermissionError` where nothing may be mounted."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        done = _mount("-t", "tmpfs", "-o", f"size={WHOLE_KB}k,mode=755", "isodose-chaos", str(directory))
        if done.returncode != 0:
            raise PermissionError(done.stderr)

    def fill(self) -> None:
        """What is written meanwhile makes the first tries fail: no disk is made smaller than full."""
        for _ in range(50):
            state = os.statvfs(self._directory)
            used_kb = (state.f_blocks - state.f_bfree) * state.f_frsize // 1024
            if self._resized(used_kb + _SPARE_KB):
                return
        raise AssertionError(f"{self._directory} could not be filled")

    def clear(self) -> None:
        assert self._resized(WHOLE_KB)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self._directory)], check=False, capture_output=True)

    def _resized(self, size_kb: int) -> bool:
        return _mount("-o", f"remount,size={size_kb}k", str(self._directory)).returncode == 0


class WriteLimit:
    """A limit of nothing on the files that the processes of a server may write."""

    said = "a limit on what its processes write"

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids

    def fill(self) -> None:
        self._limit(0)

    def clear(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def close(self) -> None:
        pass

    def _limit(self, most: int) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


Disk = SmallDisk | WriteLimit


def disk_for(directory: Path, pids: Callable[[], Sequence[int]]) -> Disk:
    """For a server that keeps its files in `directory`: a file system where one may be mounted."""
    try:
        return SmallDisk(directory)
    except (PermissionError, FileNotFoundError):
        return WriteLimit(pids)


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
