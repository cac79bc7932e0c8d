"""The three services' stored results made again, and changed knowledge tried on the sample patients."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from all_in_one.app import AllInOne
from all_in_one.command import app
from all_in_one.composition import DECIDING, SERVICES
from isodose.assessment import decide
from isodose.assessment.explanation import explain
from isodose.clinical.record import PatientRecord
from isodose.settings import Settings
from isodose.storage.tables import resource_version

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "services" / "ici_steroid_alerts" / "knowledge" / "ici_with_steroid.yaml"
run = CliRunner(env={"COLUMNS": "160", "ISODOSE_DEMONSTRATION_DAY": "2026-11-23"})


@pytest.fixture(scope="module")
def decided(
    tmp_path_factory: pytest.TempPathFactory, patients: list[Path], serving: ModuleType
) -> Iterator[Any]:
    """A platform that has decided on the patients 6 to 13, then on 11 again without the steroid."""
    data_dir = tmp_path_factory.mktemp("platform")
    whole = AllInOne(Settings(data_dir=data_dir, demonstration_day=dt.date(2026, 11, 23)))
    whole.migrate()
    with serving.served(whole, whole.lifespan()) as client:
        for file in patients[5:13]:
            assert client.post("/fhir", json=orjson.loads(file.read_bytes())).status_code == 200
        alerts = "/alerts/fhir/DetectedIssue?patient=demo-11"
        serving.eventually(lambda: client.get(f"{alerts}&status=final").json()["total"] == 2)
        assert client.request("DELETE", "/fhir/MedicationRequest/demo-11-dexamethasone").status_code < 300
        serving.eventually(lambda: client.get(f"{alerts}&status=cancelled").json()["total"] == 1)
        for prefix, kind in (("/eligibility", "RequestGroup"), ("/surveillance", "CarePlan")):
            told = f"{prefix}/fhir/Provenance?_count=50"
            serving.eventually(lambda told=told: _on_record(client.get(told).json(), "demo-11/2"))
            assert client.get(f"{prefix}/fhir/{kind}?_count=0").json()["total"] >= 3
        yield client


def _on_record(found: dict[str, Any], version: str) -> bool:
    return f'"{version}"' in orjson.dumps(found).decode()


def _results(client: Any, name: str) -> Iterator[tuple[Any, Any, Any]]:
    running = client.app.running()[name]
    with running.reading() as work:
        rows = work.conn.execute(select(resource_version.c["type", "id", "version"])).all()
        for type, id, version in rows:
            yield work, running.service.decider, (type, id, str(version))


@pytest.mark.parametrize("name", DECIDING)
def test_every_version_of_every_result_is_made_again_to_the_byte(decided: Any, name: str) -> None:
    told = [explain(work, decider, *result) for work, decider, result in _results(decided, name)]
    outcomes = Counter(one.outcome for one in told if one is not None)
    assert outcomes["same"] >= 10
    assert set(outcomes) <= {"same", "withdrawn"}
    assert {one.digest_holds for one in told if one is not None} <= {True, None}


@pytest.mark.parametrize("name", DECIDING)
def test_knowledge_that_was_kept_decides_as_it_did(name: str, decided: Any) -> None:
    settings = Settings(working_calendar="DE")
    decider = SERVICES[name](settings).decider
    assert decider is not None
    known = decider.knowledge.restored(decider.knowledge.text())
    assert known.version == decider.knowledge.version
    with decided.app.running()[name].reading() as work:
        for record in work.records.get_many([f"demo-{number:02}" for number in range(6, 14)]).values():
            first, again = (
                decide(replace(decider, knowledge=one), record, dt.date(2026, 11, 23))
                for one in (decider.knowledge, known)
            )
            assert first == again
            assert isinstance(record, PatientRecord)


def test_a_result_is_explained_at_the_terminal(decided: Any) -> None:
    place = {"ISODOSE_DATA_DIR": str(decided.app.settings["worklist"].data_dir)}
    found = decided.get("/alerts/fhir/DetectedIssue?patient=demo-11&status=cancelled").json()["entry"][0][
        "resource"
    ]
    result = f"DetectedIssue/{found['id']}"
    withdrawn = run.invoke(app, ["explain", result], env=place)
    assert withdrawn.exit_code == 0, withdrawn.output
    assert "no longer concluded" in withdrawn.stdout
    first = run.invoke(app, ["explain", f"{result}/_history/1", "ici_steroid_alerts"], env=place)
    assert "made again: the same to the byte" in first.stdout
    assert "version 1 of the record of Patient/demo-11" in first.stdout
    assert "fact ici_active = True" in first.stdout
    assert "source Albarrán" in first.stdout
    told = orjson.loads(
        run.invoke(app, ["explain", result, "ici_steroid_alerts", "--json"], env=place).stdout
    )
    assert (told["outcome"], told["basis"]["record_version"]) == ("withdrawn", 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["explain", "DetectedIssue/none", "are_surveillance"],
            "no decision that is kept here stored DetectedIssue/none",
        ),
        (["explain", "nothing"], "write it as Type/id"),
        (["explain", "Task/x", "ehr_ingestion"], "decides nothing"),
        (["replay", "--knowledge", "absent.yaml", "--since", "2026-11-01"], "absent.yaml: No such file"),
        (["replay", "--knowledge", "pyproject.toml", "--since", "2026-11-01"], "does not validate"),
        (["replay", "--knowledge", str(ALERTS), "--since", "soon"], "soon is not a day"),
        (
            ["replay", "are_surveillance", "--knowledge", str(ALERTS), "--since", "2026-11-01"],
            "no rule judges it",
        ),
    ],
)
def test_what_cannot_be_told_says_why_in_one_line(decided: Any, given: list[str], said: str) -> None:
    place = {"ISODOSE_DATA_DIR": str(decided.app.settings["worklist"].data_dir)}
    done = run.invoke(app, given, env=place)
    assert done.exit_code != 0
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 or "validate" in said


def test_changed_knowledge_is_tried_before_it_goes_live(decided: Any, tmp_path: Path) -> None:
    place = {"ISODOSE_DATA_DIR": str(decided.app.settings["worklist"].data_dir)}
    changed = tmp_path / ALERTS.name
    later = "value: 10\n          until: 2026-12-01\n        - from: 2026-12-01\n          value: 60"
    changed.write_text(ALERTS.read_text(encoding="utf-8").replace("value: 10", later), encoding="utf-8")
    given = ["replay", "ici_steroid_alerts", "--knowledge", str(changed), "--since", "2026-11-01"]
    today = run.invoke(app, given, env=place)
    assert today.exit_code == 0, today.output
    assert "0 of 8 patients" in today.stdout
    assert "SUP-STER-ici-10mg has values in force from 2026-12-01" in today.stdout
    then = run.invoke(app, [*given, "--on", "2026-12-01"], env=place)
    assert "alert DRUG-steroid-ici-alert: high, final -> low, final (SUP-STER-ici-10mg" in then.stdout
    lines = run.invoke(app, [*given, "--on", "2026-12-01", "--json"], env=place).stdout.splitlines()
    assert {orjson.loads(line)["service"] for line in lines} == {"ici_steroid_alerts"}
