"""The command at a terminal: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest
import uvicorn
from typer.testing import CliRunner

from all_in_one.app import AllInOne
from all_in_one.command import app
from isodose.settings import Settings

run = CliRunner(env={"COLUMNS": "160"})


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[str]:
    """The platform on a free port of this machine."""
    whole = AllInOne(Settings(data_dir=tmp_path / "data"))
    whole.migrate()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(whole, port=port, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_assess_decides_with_all_three_services_and_no_database(patients: list[Path], tmp_path: Path) -> None:
    given = ["assess", str(patients[0]), "--on", "2026-11-23", "--json"]
    done = run.invoke(app, given, env={"ISODOSE_DATA_DIR": str(tmp_path / "none")})
    assert done.exit_code == 0, done.output
    answers = orjson.loads(done.stdout)
    assert sorted(answers) == ["are_surveillance", "eligibility_scoring", "ici_steroid_alerts"]
    assert {"name": "on", "valueDate": "2026-11-23"} in answers["are_surveillance"]["parameter"]
    assert not (tmp_path / "none").exists()
    shown = run.invoke(app, given[:-1])
    assert "best-supportive-care" in shown.stdout
    with_trials = run.invoke(app, ["assess", str(patients[3]), "--on", "2026-11-23"])
    assert "OUTRUN (NCT03497767)" in with_trials.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "JSON"),
        (b'{"resourceType":"Patient"}', "Bundle"),
        (b'{"resourceType":"Bundle","type":"collection"}', "no Patient"),
    ],
)
def test_what_cannot_be_assessed_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "bundle.json"
    file.write_bytes(content)
    done = run.invoke(app, ["assess", str(file)])
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_loading_twice_changes_nothing(listening: str, patients: list[Path]) -> None:
    given = ["load", *map(str, patients[:2]), "--server", listening]
    first, second = (run.invoke(app, given) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    counts = [line.split()[-4:] for line in first.stdout.splitlines() if ".json" in line]
    assert all(accepted != "0" and refused == "0" for accepted, _, _, refused in counts)
    again = [line.split()[-4:] for line in second.stdout.splitlines() if ".json" in line]
    assert again == [["0", "0", accepted, "0"] for accepted, _, _, _ in counts]


def test_a_refused_resource_does_not_hide_the_others(listening: str, tmp_path: Path) -> None:
    resources = [
        {"resourceType": "Observation", "id": "o1", "status": "wrong", "code": {"text": "x"}},
        {"resourceType": "Patient", "id": "p1"},
        {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}},
    ]
    lines = tmp_path / "some.ndjson"
    lines.write_bytes(b"\n".join(orjson.dumps(resource) for resource in resources))
    unreadable = tmp_path / "broken.json"
    unreadable.write_bytes(b'{"cards": []}')
    done = run.invoke(app, ["load", str(lines), str(unreadable), "--server", listening])
    assert done.exit_code == 1
    assert ["2", "0", "0", "1"] in [line.split()[-4:] for line in done.stdout.splitlines()]
    assert "refused Observation/o1" in done.stdout
    assert "status" in done.stdout
    assert "resourceType is missing" in done.stdout


def test_single_files_may_come_in_any_order(listening: str, tmp_path: Path) -> None:
    condition = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}}
    for name, resource in (("a.json", condition), ("z.json", {"resourceType": "Patient", "id": "p1"})):
        (tmp_path / name).write_bytes(orjson.dumps(resource))
    given = ["load", str(tmp_path / "a.json"), str(tmp_path / "z.json"), "--server", listening]
    assert run.invoke(app, given).exit_code == 0


def test_a_server_that_is_not_there_is_named(patients: list[Path]) -> None:
    done = run.invoke(app, ["load", str(patients[0]), "--server", "http://127.0.0.1:9"])
    assert done.exit_code == 1
    assert "cannot be reached" in done.stderr


def test_every_published_sample_is_stored_or_refused_with_a_reason(listening: str, shared: Path) -> None:
    files = sorted(map(str, shared.rglob("*.json")))
    done = run.invoke(app, ["load", *files, "--server", listening], env={"COLUMNS": "250"})
    assert "Traceback" not in done.output
    rows = [
        list(map(int, line.split()[-4:])) for line in done.stdout.splitlines() if line.strip().startswith("/")
    ]
    assert len(rows) == len(files)
    assert all(sum(row) > 0 for row in rows)
    reasons = [line for line in done.stdout.splitlines() if line.startswith("refused ")]
    assert len(reasons) == sum(row[3] for row in rows)
    assert all(len(reason.split(": ", 1)[1]) > 10 for reason in reasons)
    assert sum(row[0] for row in rows) > 1900


@pytest.mark.parametrize(
    ("given", "environment", "said"),
    [
        (["serve", "nothing"], {}, "there is no service nothing"),
        (["serve", "ehr_ingestion"], {}, "cannot be opened"),
        (["subscriptions", "list"], {}, "cannot be opened"),
        (["write-back", "list"], {}, "cannot be opened"),
        (["pull", "p1", "--from", "http://127.0.0.1:9/fhir"], {}, "the database cannot be used"),
        (["bulk-pull", "--from", "http://127.0.0.1:9/fhir"], {}, "the database cannot be used"),
        (["bulk-pull"], {}, "name an EHR: by --from, or by ISODOSE_EHR_FHIR_URL"),
        (["pull", "p1"], {"ISODOSE_EHR_FHIR_URL": "http://127.0.0.1:9"}, "the database cannot be used"),
        (["serve", "ehr_ingestion"], {"ISODOSE_HOST": "0.0.0.0"}, "ISODOSE_AUTH"),
        (["up"], {"ISODOSE_HOST": "0.0.0.0"}, "ISODOSE_AUTH"),
        (["up"], {"ISODOSE_AUTH": "maybe"}, "ISODOSE_AUTH"),
        (["up"], {"ISODOSE_KNOWLEDGE_ENABLE": "NO-SUCH-ENTRY"}, "NO-SUCH-ENTRY"),
        (["day", "--on", "soon"], {}, "soon is not a day"),
    ],
)
def test_what_must_not_start_says_why_in_one_line(
    tmp_path: Path, given: list[str], environment: dict[str, str], said: str
) -> None:
    done = run.invoke(app, given, env={"ISODOSE_DATA_DIR": str(tmp_path / "none"), **environment})
    assert done.exit_code != 0
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_service_is_refused_on_an_empty_database_and_served_once_it_is_migrated(tmp_path: Path) -> None:
    place = {"ISODOSE_DATA_DIR": str(tmp_path)}
    (tmp_path / "ehr_ingestion.db").touch()
    refused = run.invoke(app, ["serve", "ehr_ingestion"], env=place)
    assert (refused.exit_code, "isodose migrate" in refused.stderr) == (1, True)
    assert run.invoke(app, ["migrate"], env=place).exit_code == 0
    assert sorted(file.stem for file in tmp_path.glob("*.db")) == [
        "are_surveillance",
        "ehr_ingestion",
        "eligibility_scoring",
        "ici_steroid_alerts",
        "worklist",
    ]


def test_a_day_renews_the_answers_that_depend_on_it(
    listening: str, patients: list[Path], tmp_path: Path
) -> None:
    overdue = next(file for file in patients if file.name.startswith("13-"))
    assert run.invoke(app, ["load", str(overdue), "--server", listening]).exit_code == 0
    provenance = f"{listening}/surveillance/fhir/Provenance?_count=1"

    def decided_on(day: str) -> bool:
        found = httpx.get(provenance).json().get("entry", [])
        return any(entry["resource"]["occurredDateTime"] == day for entry in found)

    _until(lambda: bool(httpx.get(provenance).json().get("entry")))
    assert not decided_on("2031-01-02")
    done = run.invoke(app, ["day", "--on", "2031-01-02"], env={"ISODOSE_DATA_DIR": str(tmp_path / "data")})
    assert (done.exit_code, done.stdout) == (0, "2031-01-02: published\n")
    _until(lambda: decided_on("2031-01-02"))


def _until(seen: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.05)
