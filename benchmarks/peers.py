"""Peers in Python, each in an environment of its own under `benchmarks/target`, made when first needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import ROOT, PeerAbsent, Started, application

HEALTHCHAIN = ROOT / "benchmarks" / "healthchain"
TARGET = ROOT / "benchmarks" / "target"
READ = "/cds/cds-services/read"
"""Where healthchain's service answers."""


@contextmanager
def healthchain() -> Iterator[Started]:
    """healthchain's CDS service. Raises `PeerAbsent` where it cannot be installed."""
    python = _environment("healthchain", HEALTHCHAIN / "requirements.txt")
    with application(python, "service:app", HEALTHCHAIN, ready="/cds/cds-discovery") as one:
        yield one


def _environment(name: str, requirements: Path) -> Path:
    """Its Python, with what the requirements name; made anew when they change."""
    place = TARGET / name
    mark = place / "requirements.txt"
    python = place / "bin" / "python"
    wanted = requirements.read_text()
    if not mark.exists() or mark.read_text() != wanted:
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(place)],
            [
                str(python),
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "-r",
                str(requirements),
            ],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                said = (done.stderr or done.stdout).strip().splitlines()
                raise PeerAbsent(f"{name}: cannot be installed ({said[-1] if said else done.returncode})")
        mark.write_text(wanted)
    return python
