"""A process that is killed while it reads an export loses nothing, repeats nothing, and is gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select

from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.storage.database import Database
from isodose.storage.records import Records
from isodose.storage.tables import bulk_file, bulk_patient, outbox
from served import eventually

PATIENTS, EACH = 10, 30
STOPS_AT = 50_000


def _lines(kind: str) -> bytes:
    if kind == "Patient":
        found = [{"resourceType": "Patient", "id": f"p{n}", "birthDate": "1960"} for n in range(PATIENTS)]
    else:
        code = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}
        found = [
            {
                "resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"coding": [code]},
                "subject": {"reference": f"Patient/p{n % PATIENTS}"}, "valueInteger": 80,
                "effectiveDateTime": f"2026-{1 + n // 30 % 12:02}-{1 + n % 28:02}",
            }
            for n in range(PATIENTS * EACH)
        ]  # fmt: skip
    return b"".join(json.dumps(one).encode() + b"\n" for one in found)


class _Ehr(ThreadingHTTPServer):
    """Exports two files; the second is not sent to its end before `goes_on` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.goes_on = threading.Event()
        self.asked: list[str] = []
        self.files = {"/Patient": _lines("Patient"), "/Observation": _lines("Observation")}
        self.at = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Ehr

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.path} {self.headers.get('range', '')}".strip())
        if "$export" in self.path:
            self._answer(202, {"content-location": f"{self.server.at}/status"})
        elif self.path == "/status":
            output = [{"type": name[1:], "url": self.server.at + name} for name in self.server.files]
            manifest = {
                "transactionTime": "2026-11-20T10:00:00Z",
                "requiresAccessToken": False,
                "output": output,
            }
            self._answer(200, {}, json.dumps(manifest).encode())
        else:
            self._file(self.server.files[self.path])

    def do_DELETE(self) -> None:
        self.server.asked.append(f"DELETE {self.path}")
        self._answer(202, {})

    def _file(self, content: bytes) -> None:
        span = self.headers.get("range", "")
        start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        self.send_response(206 if span else 200)
        self.send_header("content-length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:STOPS_AT])
        self.wfile.flush()
        if len(content) > STOPS_AT:
            self.server.goes_on.wait(60)
            self.wfile.write(content[max(start, STOPS_AT) :])

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def ehr() -> Iterator[_Ehr]:
    server = _Ehr()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.goes_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def database(new_sqlite: Callable[[], str]) -> Iterator[Database]:
    opened = Database(new_sqlite())
    yield opened
    opened.dispose()


@pytest.mark.processes
@pytest.mark.timeout(300)
def test_a_killed_run_is_gone_on_with(ehr: _Ehr, database: Database) -> None:
    command = [sys.executable, "-m", "all_in_one", "bulk-pull"]
    environment = {
        **os.environ,
        "ISODOSE_DATABASE_URL": str(database.engine.url),
        "ISODOSE_EHR_FHIR_URL": f"{ehr.at}/fhir/",
    }

    def half_read() -> bool:
        with database.read() as conn:
            read = conn.execute(select(bulk_file.c.offset).where(bulk_file.c.type == "Observation")).scalar()
        return bool(read)

    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        eventually(half_read, 60)
        process.kill()
    with database.read() as conn:
        assert conn.execute(select(outbox.c.seq)).all() == [], "no record is told half read"
        assert len(conn.execute(select(bulk_patient)).all()) == PATIENTS
    ehr.goes_on.set()

    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert again.returncode == 0, again.stderr
    kicked_off, *_ = ehr.asked
    assert [one for one in ehr.asked if "$export" in one] == [kicked_off], "the export is not begun anew"
    assert [one for one in ehr.asked if one.startswith("/Patient")] == ["/Patient"], (
        "what was read stays read"
    )
    first, second = [one for one in ehr.asked if one.startswith("/Observation")]
    assert (first, second.partition("=")[0]) == ("/Observation", "/Observation bytes")
    assert ehr.asked[-1] == "DELETE /status"
    with database.read() as conn:
        counts = conn.execute(select(bulk_file.c.type, bulk_file.c.accepted, bulk_file.c.lines)).all()
        told = [contract.decode(row.value) for row in conn.execute(select(outbox))]
        record = Records(conn).get("p3")
    assert sorted(map(tuple, counts)) == [
        ("Observation", PATIENTS * EACH, PATIENTS * EACH), ("Patient", PATIENTS, PATIENTS)
    ]  # fmt: skip
    assert len(told) == PATIENTS, "each record is told once, whole"
    assert isinstance(record, PatientRecord)
    assert (record.version, len(record.facts)) == (1, EACH)
    assert "Observation" in again.stdout
