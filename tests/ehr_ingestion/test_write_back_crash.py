"""Killed after the EHR made a result and before it was noted here, the next process makes no second one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import served
from ehr_ingestion.app import service
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.patient_records import rebuild
from isodose.events import contract, jobs
from isodose.fhir.resources import parse
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.work import work_at

DRIVEN = Path(__file__).with_name("driven_write_back.py")
PATIENT = b'{"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01"}'


class Stalling:
    """ASGI: the first create is done and its answer never sent."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.made = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        first = scope["type"] == "http" and scope["method"] == "POST" and not self.made.is_set()

        async def sent(message: Any) -> None:
            if first:
                self.made.set()
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            await send(message)

        await self.app(scope, receive, sent)


def issue(number: int) -> dict[str, Any]:
    return {
        "resourceType": "DetectedIssue",
        "id": f"alert-{number}",
        "identifier": [
            {"system": "https://isodose.example/fhir/NamingSystem/result", "value": f"alert/{number}"}
        ],
        "status": "final",
        "patient": {"reference": "Patient/p1"},
    }


def folded(url: str) -> Database:
    """A database in which a decision has left three results to be written."""
    database = Database(url)
    data = {
        "patientId": "p1", "service": "ici_steroid_alerts", "recordVersion": 1, "knowledgeVersion": "k",
        "on": "2026-11-23", "findings": [], "options": [], "resources": [issue(n) for n in range(3)],
    }  # fmt: skip
    with database.begin() as conn:
        work = work_at("http://127.0.0.1:8001/fhir")(conn)
        work.resources.update("Patient", "p1", parse(PATIENT))
        rebuild(work, ["p1"])
        event = contract.guidance("isodose.alerts.checked", "ici_steroid_alerts", data, "p1")
        fold_guidance(work, [event], write_back=True)
    return database


def settled(database: Database) -> bool:
    with database.read() as conn:
        return jobs.standing(conn, ["write-back"])["write-back"] == jobs.Standing(0, 0, jobs.dt.timedelta())


def replaced(url: str, ehr: str, directory: Path) -> jobs.JobRunner:
    """What takes the place of the process that was killed."""
    log = f"sqlite:///{directory / 'next.db'}"
    settings = Settings(
        database_url=url, event_log_url=log, ehr_fhir_url=ehr, write_back_types=("DetectedIssue",)
    )
    runner: jobs.JobRunner = build_app(service(settings), settings).state.running.jobs
    runner.start()
    return runner


@pytest.mark.processes
def test_a_process_killed_between_the_ehr_and_its_note_doubles_nothing(
    new_defined: Callable[[], str], tmp_path: Path
) -> None:
    port = served.free_port()
    there = Settings(
        database_url=new_defined(),
        event_log_url=f"sqlite:///{tmp_path / 'ehr.db'}",
        public_url=f"http://127.0.0.1:{port}",
    )
    stalling = Stalling(build_app(service(there), there))
    here = new_defined()
    database = folded(here)
    with served.listening(stalling, port) as address:
        httpx.put(f"{address}/fhir/Patient/p1", content=PATIENT, headers=served.FHIR).raise_for_status()
        command = [sys.executable, "-W", "ignore", str(DRIVEN), here, f"sqlite:///{tmp_path / 'own.db'}"]
        killed = subprocess.Popen([*command, f"{address}/fhir"])
        assert stalling.made.wait(30)
        killed.kill()
        killed.wait()
        assert not settled(database)
        next_one = replaced(here, f"{address}/fhir", tmp_path)
        served.eventually(lambda: settled(database), 30)
        next_one.stop()
        found = httpx.get(f"{address}/fhir/DetectedIssue").json()
    database.dispose()
    keys = sorted(entry["resource"]["identifier"][0]["value"] for entry in found["entry"])
    assert keys == ["alert/0", "alert/1", "alert/2"]
