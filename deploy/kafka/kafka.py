#!/usr/bin/env python3
# ruff: noqa: S603
"""A single-node Apache Kafka (KRaft) on loopback with its own data directory, for a laptop and for the tests.

    python deploy/kafka/kafka.py start --data-dir var/kafka --port 9092
    python deploy/kafka/kafka.py stop  --data-dir var/kafka

Needs Java 17 and, the first time, Maven. https://kafka.apache.org/documentation/#kraft
"""

from __future__ import annotations

import argparse
import base64
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "maven"))
from maven import CannotRun, Libraries, java  # noqa: E402

LIBRARIES = Libraries(HERE, "Apache Kafka")
HEAP = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{secured}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{secured}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=500
"""

SECURED = """\
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={keystore}
listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512,OAUTHBEARER
listener.name.secured.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.secured.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="broker";
"""


class Secured(NamedTuple):
    """A second listener with TLS and SASL; it takes unsigned OAUTHBEARER tokens, so it is for tests only.

    `keystore` is a PEM file with the broker's key and certificate, for the host name `localhost`.
    """

    port: int
    keystore: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def format_storage(
    data_dir: Path, port: int, secured: Secured | None = None, properties: Mapping[str, str] | None = None
) -> None:
    """Write `server.properties` and format the log directory unless that was done before."""
    data_dir.mkdir(parents=True, exist_ok=True)
    logs = data_dir / "logs"
    also = f",SECURED://localhost:{secured.port}" if secured else ""
    settings = PROPERTIES.format(port=port, controller_port=free_port(), logs=logs, secured=also)
    if secured:
        settings += SECURED.format(keystore=secured.keystore, modules="org.apache.kafka.common.security")
    settings += "".join(f"{name}={value}\n" for name, value in (properties or {}).items())
    (data_dir / "server.properties").write_text(settings)
    if (logs / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = _command("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c")
    done = subprocess.run(
        [*command, str(data_dir / "server.properties")], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotRun(f"formatting {logs} failed:\n{done.stdout}{done.stderr}")


def start(
    data_dir: Path,
    port: int | None = None,
    wait_s: float = 60.0,
    secured: Secured | None = None,
    properties: Mapping[str, str] | None = None,
) -> int:
    """Start Kafka, wait until it takes connections, and return its port; `properties` override those here."""
    LIBRARIES.fetch()
    port = port or free_port()
    format_storage(data_dir, port, secured, properties)
    with (data_dir / "kafka.log").open("ab") as log:
        process = subprocess.Popen(
            [*_command("kafka.Kafka"), str(data_dir / "server.properties")],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    (data_dir / "kafka.pid").write_text(str(process.pid))
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                process.returncode = 0  # it is meant to outlive this call, and is stopped by its pid
                return port
        time.sleep(0.1)
    stop(data_dir)
    raise CannotRun(f"Kafka did not start:\n{(data_dir / 'kafka.log').read_text()[-3000:]}")


def stop(data_dir: Path, wait_s: float = 20.0) -> None:
    """Stop the Kafka of this data directory; nothing happens when none runs."""
    mark = data_dir / "kafka.pid"
    if not mark.exists():
        return
    pid = int(mark.read_text())
    mark.unlink()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            if _ended(pid):
                return
            time.sleep(0.05)


def _ended(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return True
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _command(main: str, *arguments: str) -> list[str]:
    quiet = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
    return [java(), *HEAP, quiet, "-cp", LIBRARIES.classpath, main, *arguments]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=["fetch", "format", "start", "stop"])
    parser.add_argument("--data-dir", type=Path, default=Path("var/kafka"))
    parser.add_argument("--port", type=int, default=9092)
    arguments = parser.parse_args()
    try:
        match arguments.action:
            case "fetch":
                LIBRARIES.fetch()
            case "format":
                LIBRARIES.fetch()
                format_storage(arguments.data_dir, arguments.port)
            case "start":
                print(f"kafka://127.0.0.1:{start(arguments.data_dir, arguments.port)}")
            case "stop":
                stop(arguments.data_dir)
    except CannotRun as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
