# ruff: noqa: S603
"""Java programs from Maven artifacts: the Java command, and the jars that a pom pins, fetched once.

https://maven.apache.org/plugins/maven-dependency-plugin/copy-dependencies-mojo.html
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
"""By its whole name: the short one has Maven ask a repository for the list of all plugins first."""


class CannotRun(Exception):  # noqa: N818
    """A Java program cannot run here; the message says what is missing."""


def java(command: str = "java") -> str:
    """The Java command, or another of the JDK. Raises `CannotRun` when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(command, path=f"{home}/bin") if home else shutil.which(command)
    if found is None:
        raise CannotRun(f"no {command} found: install Java 17 or later, or set JAVA_HOME")
    return found


@dataclass(frozen=True)
class Libraries:
    """The jars that `directory/pom.xml` pins; `what` they are, for messages."""

    directory: Path
    what: str

    @property
    def at(self) -> Path:
        return self.directory / "target" / "dependency"

    @property
    def classpath(self) -> str:
        return f"{self.at}/*"

    def fetch(self) -> None:
        """Let Maven copy them to `target/dependency`, unless they are there. Raises `CannotRun`."""
        pinned = (self.directory / "pom.xml").read_text()
        mark = self.at / ".pom"
        self.at.parent.mkdir(exist_ok=True)
        with (self.at.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not mark.exists() or mark.read_text() != pinned:
                self._copy()
                mark.write_text(pinned)

    def _copy(self) -> None:
        maven = shutil.which("mvn")
        if maven is None:
            raise CannotRun(f"no Maven found: install Maven (mvn) to fetch {self.what}")
        shutil.rmtree(self.at, ignore_errors=True)
        command = [maven, "-q", "-B", "-f", str(self.directory / "pom.xml"), _COPY]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotRun(f"Maven could not fetch {self.what}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
