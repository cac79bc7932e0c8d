"""Prometheus' own judge of rules and configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

from debian import command


def promtool() -> str:
    """The command. Raises `CannotFetch`."""
    return command("promtool", "prometheus", "usr/bin/promtool")


def judged(*arguments: str, at: Path) -> None:
    """Run it in this directory; fails with what it says against the files."""
    done = subprocess.run([promtool(), *arguments], cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
