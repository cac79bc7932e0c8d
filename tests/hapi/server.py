"""HAPI's FHIR server as the EHR of the tests: fetched by Maven, compiled once, started for the session.

https://hapifhir.io/hapi-fhir/docs/server_jpa/introduction.html
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from maven import CannotRun, Libraries, java
from served import free_port

HERE = Path(__file__).resolve().parent / "ehr"
LIBRARIES = Libraries(HERE, "HAPI's FHIR server")
JVM = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def start(log: Path, wait_s: float = 240.0, jvm: Sequence[str] = JVM) -> tuple[subprocess.Popen[bytes], str]:
    """The process, which its caller ends, and the FHIR base, which takes requests. Raises `CannotRun`."""
    LIBRARIES.fetch()
    classes = _compiled()
    command = [java(), *jvm, "-cp", f"{classes}:{LIBRARIES.classpath}", "Ehr", str(free_port())]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    until = time.monotonic() + wait_s
    while process.poll() is None and time.monotonic() < until:
        told = [line for line in log.read_text().splitlines() if line.startswith("http://")]
        if told:
            return process, told[0]
        time.sleep(0.1)
    process.kill()
    process.wait()
    raise CannotRun(f"HAPI's FHIR server did not start:\n{log.read_text()[-3000:]}")


def _compiled() -> Path:
    """The classes of Ehr.java, compiled when it or the libraries are others."""
    source = (HERE / "Ehr.java").read_bytes() + (HERE / "pom.xml").read_bytes()
    classes = HERE / "target" / hashlib.sha256(source).hexdigest()[:16]
    if not classes.exists():
        making = classes.with_suffix(f".{time.time_ns()}")
        command = [
            java("javac"),
            "-nowarn",
            "-d",
            str(making),
            "-cp",
            LIBRARIES.classpath,
            str(HERE / "Ehr.java"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotRun(f"Ehr.java does not compile:\n{done.stderr[-3000:]}")
        making.rename(classes)
    return classes
