"""On what was measured: the machine, and the versions of all that took part."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.servers import ROOT, script

LIBRARIES = (
    "fastapi", "uvicorn", "uvloop", "sqlalchemy", "psycopg", "kafka-python", "orjson", "msgspec", "pydantic",
    "jsonschema-rs",
)  # fmt: skip


def described() -> dict[str, str]:
    """By name; what cannot be told here is left out."""
    told = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.system(),
        "python": platform.python_version(),
        "commit": _said("git", "-C", str(ROOT), "describe", "--always"),
        "java": _said("java", "-version"),
        "postgresql": _postgresql(),
        "kafka": _pinned(ROOT / "deploy/kafka/pom.xml"),
        "hapi": _pinned(ROOT / "tests/hapi/ehr/pom.xml"),
        "healthchain": (ROOT / "benchmarks/healthchain/requirements.txt")
        .read_text()
        .strip()
        .partition("==")[2],
        **{name: version(name) for name in LIBRARIES},
    }
    return {name: value for name, value in told.items() if value}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _postgresql() -> str:
    found = script("postgres")
    try:
        return _said(str(found.binaries() / "postgres"), "--version").rpartition(" (")[0] or _said(
            str(found.binaries() / "postgres"), "--version"
        )
    except found.CannotStart:
        return ""


def _pinned(pom: Path) -> str:
    found = re.search(r"<\w+\.version>([^<]+)<", pom.read_text())
    return found.group(1) if found else ""


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]
