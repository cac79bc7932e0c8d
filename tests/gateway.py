"""nginx with the configuration of the gateway, on loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

import served
from debian import CannotFetch, command

CONFIGURATION = Path(__file__).resolve().parents[1] / "deploy" / "gateway" / "nginx.conf"


def nginx() -> str:
    """The command. Raises `CannotFetch`."""
    found = command("nginx", "nginx", "usr/sbin/nginx")
    if subprocess.run([found, "-v"], capture_output=True, check=False).returncode:
        raise CannotFetch(f"{found} lacks a library: install Debian's package `nginx`")
    return found


def placed(port: int, upstreams: Mapping[str, int], folder: Path) -> str:
    """The configuration as it stands, with what a container brings: the hosts by name, a port and /tmp."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    places = {f"server {host};": f"server 127.0.0.1:{where};" for host, where in upstreams.items()}
    for here, there in {
        **places,
        "listen 8000;": f"listen 127.0.0.1:{port};",
        " /tmp/": f" {folder}/",
    }.items():
        assert here in text, here
        text = text.replace(here, there)
    return text


@contextmanager
def gateway(folder: Path, port: int, upstreams: Mapping[str, int]) -> Iterator[str]:
    """The address at which nginx answers; `upstreams` is the port behind each `host:port` that it knows."""
    folder.mkdir(exist_ok=True)
    written = folder / "nginx.conf"
    written.write_text(placed(port, upstreams, folder), encoding="utf-8")
    alone = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    said = folder / "said.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [nginx(), "-p", folder, "-c", written, "-e", "stderr", "-g", alone], stdout=log, stderr=log
        )
    try:
        served.eventually(lambda: process.poll() is not None or _answers(port), 30)
        assert process.poll() is None, said.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
