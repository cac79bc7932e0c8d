"""One process on SQLite whose disk has no room: it refuses, keeps what it acknowledged, and goes on after."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from chaos.disk import Disk, disk_for
from processes import free_port

pytestmark = [pytest.mark.processes, pytest.mark.timeout(480)]
HEADERS = {"content-type": "application/fhir+json"}


@dataclass
class Platform:
    """The running process, asked over HTTP, and the disk that its files are on."""

    http: httpx.Client
    disk: Disk

    def put(self, id: str) -> httpx.Response:
        """A patient of many names, so that storing it takes room."""
        names = [{"family": f"Larch-{id}-{number}", "given": ["x" * 200]} for number in range(200)]
        return self.http.put(f"/fhir/Patient/{id}", json={"resourceType": "Patient", "id": id, "name": names})

    def decided(self, patient: str) -> Any:
        found = self.http.get(f"/fhir/RequestGroup?patient={patient}&_summary=count")
        return found.status_code == 200 and found.json()["total"]


@pytest.fixture
def platform(tmp_path: Path, serving: ModuleType) -> Iterator[Platform]:
    port, processes = free_port(), list[subprocess.Popen[bytes]]()
    disk = disk_for(tmp_path / "data", lambda: [one.pid for one in processes])
    command = [str(Path(sys.executable).parent / "isodose"), "up", "--port", str(port)]
    with (tmp_path / "up.log").open("wb") as log:
        environment = os.environ | {"ISODOSE_DATA_DIR": str(tmp_path / "data")}
        processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, timeout=60) as http:
            serving.eventually(lambda: _answers(http), 240)
            yield Platform(http, disk)
    finally:
        processes[0].terminate()
        processes[0].wait(60)
        disk.close()


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_full_disk_refuses_what_cannot_be_kept_and_nothing_else(
    platform: Platform, patients: list[Path], serving: ModuleType
) -> None:
    sample = platform.http.post("/fhir", content=patients[0].read_bytes())
    assert sample.status_code == 200
    platform.disk.fill()
    answers: dict[str, httpx.Response] = {}
    while len(refused := [id for id, answer in answers.items() if answer.status_code != 201]) < 3:
        assert len(answers) < 60, f"{platform.disk.said} did not fill the disk"
        id = f"full-{len(answers)}"
        answers[id] = platform.put(id)
    for id in refused:
        assert answers[id].status_code == 503, answers[id].text
        assert answers[id].json()["issue"][0]["code"] == "transient"
        assert answers[id].headers["retry-after"]
    assert platform.http.get("/healthz").status_code == 200

    platform.disk.clear()
    for id, answer in answers.items():
        kept = platform.http.get(f"/fhir/Patient/{id}").status_code
        assert kept == (404 if id in refused else 200), answer.status_code
    assert all(platform.put(id).status_code == 201 for id in refused)
    for id in (*refused, "demo-01"):
        serving.eventually(lambda id=id: platform.decided(id), 120)
