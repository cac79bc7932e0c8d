"""The demonstration: everything on fresh files, the sample patients loaded, what is proposed as a table."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from worklist import wording

DAY = dt.date(2026, 11, 23)
"""The samples are written around this day."""

SAMPLES = Path("samples/patients")
DATA = Path("var/demo")
_WITHIN_S = 60.0


@dataclass(frozen=True)
class Row:
    """What was concluded on one patient: FHIR resources that stand."""

    id: str
    name: str
    groups: list[dict[str, Any]]
    scans: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    alerts: list[dict[str, Any]]


class DemonstrationError(Exception):
    """The demonstration cannot go on; the message says why."""


@contextmanager
def started(port: int) -> Iterator[str]:
    """All services in a process of their own on fresh files; yields their address once they are ready."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    settings = {
        "ISODOSE_DATA_DIR": str(DATA),
        "ISODOSE_DEMONSTRATION_DAY": DAY.isoformat(),
        "ISODOSE_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    chosen = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ISODOSE_DATABASE_URL", "ISODOSE_EVENT_LOG_URL")
    }
    log = DATA / "isodose.log"
    with log.open("wb") as written:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "all_in_one", "up", "--port", str(port)],
            env={**chosen, **settings},
            stdout=written,
            stderr=written,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(process, address, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def load(address: str, out: Console) -> list[str]:
    """Post every sample bundle; the ids of the patients in them."""
    files = sorted(SAMPLES.glob("*.json"))
    if not files:
        raise DemonstrationError(f"no patients in {SAMPLES}: run this at the root of the repository")
    patients = []
    with httpx.Client(base_url=address, timeout=60) as client:
        for file in files:
            bundle = json.loads(file.read_bytes())
            answer = client.post("/fhir", content=file.read_bytes(), headers=_FHIR)
            if answer.status_code != httpx.codes.OK:
                raise DemonstrationError(f"{file} was refused: {answer.text[:500]}")
            resources = [entry["resource"] for entry in bundle["entry"]]
            patients += [one["id"] for one in resources if one["resourceType"] == "Patient"]
    out.print(f"{len(patients)} patients loaded from {SAMPLES}")
    return patients


def rows(address: str, patients: list[str]) -> list[Row]:
    """What was concluded, once every service has concluded on every patient, in the order of the ids."""
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        if _concluded(address) >= set(patients):
            return _read(address, sorted(patients))
        time.sleep(0.2)
    raise DemonstrationError(f"not every patient had guidance within {_WITHIN_S:.0f} s")


def table(found: list[Row]) -> Table:
    """A line a patient: the leading option, the next scan, the alerts."""
    made = Table(title=f"Proposals for the team on {DAY}", title_justify="left", show_lines=True)
    for column in ("patient", "leading option", "next brain MRI", "alerts"):
        made.add_column(column, overflow="fold")
    for row in found:
        made.add_row(f"{row.id}\n{row.name}", _option(row), _scan(row), _alerts(row))
    return made


def hints(address: str, patients: list[str]) -> str:
    """What to open and what to call next."""
    one = patients[len(patients) // 2]
    return "\n".join(
        (
            f"Open {address}/worklist in a browser, or try:",
            f"  curl {address}/fhir/Patient/{one}/\\$everything",
            f"  curl '{address}/eligibility/fhir/RequestGroup?patient={one}'",
            f"  curl '{address}/surveillance/fhir/CarePlan?patient={one}'",
            f"  curl '{address}/alerts/fhir/DetectedIssue?patient={one}'",
            f"  curl {address}/cds-services",
            f"  curl -H 'Content-Type: application/json' -d @samples/hooks/srs-eligibility.json \\\n"
            f"       {address}/cds-services/srs-eligibility",
        )
    )


_FHIR = {"content-type": "application/fhir+json"}


def _wait_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise DemonstrationError(
        f"the services did not start: {' '.join(last) or 'no message'} (all of it: {log})"
    )


def _concluded(address: str) -> set[str]:
    """Patients with guidance, once no service adds results any more."""
    answer = httpx.get(f"{address}/fhir/GuidanceResponse", params={"_count": "200"}, timeout=30).json()
    decided = {_patient(entry["resource"]) for entry in answer.get("entry", [])}
    return decided if decided and _quiet(address) else set()


def _quiet(address: str) -> bool:
    """Whether no result was added within the last moment."""
    first = _results(address)
    time.sleep(0.5)
    return first == _results(address)


def _results(address: str) -> list[Any]:
    kinds = ("RequestGroup", "CarePlan", "ServiceRequest", "Task", "DetectedIssue")
    return [
        httpx.get(f"{address}/fhir/{kind}", params={"_summary": "count"}, timeout=30).json().get("total")
        for kind in kinds
    ]


def _patient(resource: dict[str, Any]) -> str:
    return str(resource.get("subject", {}).get("reference", "")).removeprefix("Patient/")


def _read(address: str, patients: list[str]) -> list[Row]:
    """What the one record holds of each patient's results."""
    kinds = ("Patient", "RequestGroup", "ServiceRequest", "Task", "DetectedIssue")
    found = {kind: _results_of(address, kind) for kind in kinds}
    return [
        Row(
            id=patient,
            name=wording.name_of(next(iter(found["Patient"].get(patient, [])), {"id": patient})),
            groups=found["RequestGroup"].get(patient, []),
            scans=wording.open_scans(_proposed(found["ServiceRequest"].get(patient, []))),
            tasks=wording.open_tasks(found["Task"].get(patient, [])),
            alerts=wording.open_alerts(found["DetectedIssue"].get(patient, [])),
        )
        for patient in patients
    ]


def _results_of(address: str, kind: str) -> dict[str, list[dict[str, Any]]]:
    """Everything of this type, by patient."""
    answer = httpx.get(f"{address}/fhir/{kind}", params={"_count": "1000"}, timeout=60).json()
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for entry in answer.get("entry", []):
        one = entry["resource"]
        key = one["id"] if kind == "Patient" else wording.patient_of(one)
        by_patient.setdefault(key, []).append(one)
    return by_patient


def _proposed(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the platform proposes, without the orders of the hospital: those may be for anything."""
    return [order for order in orders if order.get("intent") == "proposal"]


def _option(row: Row) -> str:
    leading = wording.leading_option(row.groups)
    if leading is None:
        return wording.without_leader(row.groups)
    standing = leading["code"][1]["coding"][0]["code"].replace("-", " ")
    return f"{leading['title']} ({standing})"


def _scan(row: Row) -> str:
    overdue = [task["description"] for task in row.tasks if wording.is_overdue(task)]
    if overdue:
        return "\n".join(overdue)
    if not row.scans:
        return "none planned"
    period = row.scans[0].get("occurrencePeriod", {})
    days = [period[end] for end in ("start", "end") if end in period]
    return " to ".join(days) if len(days) > 1 else f"from {days[0]}" if days else "on no day yet"


def _alerts(row: Row) -> str:
    return "\n".join(f"{a.get('severity', '')}: {a['code']['text']}" for a in row.alerts) or "none"
