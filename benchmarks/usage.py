"""What a process has used: CPU seconds and resident memory, from /proc; nan where there is none."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of a process with all its threads."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory, shared libraries included."""
    return _rollup(pid, "Rss")


def own_mb(pid: int) -> float:
    """Resident memory, what is shared counted by its share."""
    return _rollup(pid, "Pss")


def _rollup(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return float("nan")
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def named(*words: str) -> dict[int, float]:
    """CPU seconds of each process with all of these words in its command line, such as PostgreSQL's."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_text()
        except OSError:
            continue
        if all(word in command for word in words):
            found[int(place.name)] = cpu_s(int(place.name))
    return found
