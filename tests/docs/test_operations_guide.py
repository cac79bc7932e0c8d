"""What the operations guide tells an operator to type is there, and does what the guide says."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import orjson
import pytest
from typer.testing import CliRunner

from all_in_one.app import AllInOne
from all_in_one.command import app
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import dead_letter, job

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TYPED = sorted(
    {
        found.strip()
        for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
        for found in re.findall(r"^isodose .*$", block, re.MULTILINE)
    }
    | set(re.findall(r"`(isodose [a-z][^`]*)`", GUIDE))
)
STANDS_FOR = {
    "SERVICE": "are_surveillance",
    "DATE": "2026-11-23",
    "N": "4",
    "RESULT": "Task/1",
    "PATIENT": "p1",
}


ELSEWHERE = {
    "isodose write-back settle": "tests/ehr_ingestion/write_back/test_written.py",
    "isodose bulk-pull": "tests/ehr_ingestion",
    "isodose pull": "tests/ehr_ingestion",
    "isodose serve": "tests/all_in_one/test_five_processes.py",
    "isodose subscriptions": "tests/ehr_ingestion",
    "isodose up": "tests/all_in_one/test_command.py",
    "isodose write-back": "tests/ehr_ingestion",
}
"""Commands that stay, or that need an EHR: run by these tests."""


def understood(typed: str) -> bool:
    """Whether command and options have these names; nothing is run, since `--help` is all that happens."""
    words = [STANDS_FOR.get(word, word) for word in shlex.split(typed)[1:]]
    return CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_the_guide_has_commands() -> None:
    assert len(TYPED) > 8


@pytest.mark.parametrize("typed", TYPED)
def test_a_command_of_the_guide_is_one_that_is_understood(typed: str) -> None:
    assert understood(typed)


@pytest.mark.parametrize(
    "typed",
    ["isodose nothing", "isodose day --of 2026-11-23", "isodose dead-letters replay --number 3"],
)
def test_what_the_command_does_not_know_is_noticed(typed: str) -> None:
    assert not understood(typed)


def test_every_variable_of_the_guide_is_a_setting_or_one_of_the_tools_beside() -> None:
    settings = {
        str(field.validation_alias or f"ISODOSE_{name.upper()}")
        for name, field in Settings.model_fields.items()
    }
    beside = {"ISODOSE_DATABASE_PASSWORD", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"}
    named = set(re.findall(r"\b(?:ISODOSE|OTEL)_[A-Z_]*[A-Z]\b", GUIDE))
    assert named <= settings | beside


def test_every_file_of_the_guide_is_there() -> None:
    named = set(re.findall(r"`((?:k8s|deploy|docs)/[\w./-]+)`", GUIDE))
    assert named
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.fixture
def kept(
    tmp_path: Path, patients: list[Path], serving: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Files of a platform that decided on one patient and was stopped; what the guide's words stand for."""
    whole = AllInOne(Settings(data_dir=tmp_path, demonstration_day=dt.date(2026, 11, 23)))
    whole.migrate()
    with serving.served(whole, whole.lifespan()) as client:
        bundle = orjson.loads(patients[12].read_bytes())
        assert client.post("/fhir", json=bundle).status_code == 200
        plans = "/surveillance/fhir/CarePlan"
        [found] = serving.eventually(lambda: client.get(plans).json().get("entry"), 30)
    database = Database(f"sqlite:///{tmp_path / 'are_surveillance.db'}")
    told = contract.record_changed(PatientRecord(patient_id="p9", version=1))
    letter = {"group": "are_surveillance", "topic": "isodose.patient-record.v1", "partition": 0}
    letter |= {"key": "p9", "value": contract.encode(told), "headers": "{}", "error": "E", "attempts": 5}
    letter |= {"failed_at": dt.datetime.now(dt.UTC)}
    with database.begin() as conn:
        conn.execute(dead_letter.insert(), [letter | {"id": id, "offset": id} for id in (3, 4, 5)])
    database.dispose()
    one_record = Database(f"sqlite:///{tmp_path / 'ehr_ingestion.db'}")
    aside = {"key": "demo-13", "version": 1, "attempts": 5, "error": "the EHR answered 403 for Patient"}
    aside |= dict.fromkeys(("asked_at", "due_at", "failed_at"), dt.datetime.now(dt.UTC))
    with one_record.begin() as conn:
        conn.execute(job.insert(), [aside | {"kind": kind} for kind in ("read-patient", "write-back")])
    one_record.dispose()
    shutil.copy(ROOT / "services/are_surveillance/knowledge/intervals.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISODOSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ISODOSE_DEMONSTRATION_DAY", "2026-11-23")
    return STANDS_FOR | {"RESULT": f"CarePlan/{found['resource']['id']}", "PATIENT": "demo-13"}


def test_each_command_of_the_guide_is_run_and_succeeds(
    kept: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = [typed for typed in TYPED if not typed.startswith(tuple(ELSEWHERE))]
    assert len(here) >= 12
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())
    last = ("erase", "rebuild", "jobs retry")
    for typed in sorted(here, key=lambda one: [word in one for word in last] + [-len(one)]):
        words = [kept.get(word, word) for word in shlex.split(typed)[1:]]
        if words[0] == "rebuild":
            monkeypatch.setenv("ISODOSE_DATABASE_URL", f"sqlite:///{tmp_path / 'anew.db'}")
        done = CliRunner().invoke(app, words, input="y\n")
        monkeypatch.delenv("ISODOSE_DATABASE_URL", raising=False)
        assert done.exit_code == 0, (typed, done.output)
