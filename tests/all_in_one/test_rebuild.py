"""A decision service made anew from the compacted topic alone concludes what the one before concluded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import orjson
import pytest
from typer.testing import CliRunner

from all_in_one.command import app
from all_in_one.composition import DECIDING, SERVICES
from concluded import concluded
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.events.log import Record, open_log
from isodose.mcode import build_record
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database

TOPIC = "isodose.patient-record.v1"
TODAY = dt.date(2026, 11, 23)


def stands(database_url: str) -> dict[str, Any]:
    database = Database(database_url)
    found = concluded(database)
    database.dispose()
    return found


def records(patients: list[Path]) -> list[PatientRecord]:
    """Each patient first without drugs and images, then as a whole: what was known at two times."""
    made = []
    for file in patients:
        resources = [entry["resource"] for entry in orjson.loads(file.read_bytes())["entry"]]
        patient = next(one["id"] for one in resources if one["resourceType"] == "Patient")
        known = [one for one in resources if one["resourceType"] not in ("MedicationRequest", "ImagingStudy")]
        for version, told in enumerate((known, resources), start=1):
            made.append(msgspec.structs.replace(build_record(patient, told), version=version))
    return made


def publish(url: str, told: list[PatientRecord]) -> None:
    log = open_log(url)
    events = [Record(TOPIC, one.patient_id, contract.encode(contract.record_changed(one))) for one in told]
    log.publish(events)
    log.close()


@pytest.mark.kafka
@pytest.mark.postgres
def test_the_same_results_come_from_the_compacted_topic(
    new_postgresql: Callable[[], str],
    kafka_url: str,
    topic_prefix: str,
    patients: list[Path],
    serving: ModuleType,
) -> None:
    every, compacted = (f"{kafka_url}?prefix={topic_prefix}{name}." for name in ("every", "compacted"))
    told = records([patients[n] for n in (5, 10, 12)])
    publish(every, told)
    publish(compacted, [one for one in told if one.version == 2])
    for name in DECIDING:
        before, anew = new_postgresql(), new_postgresql()
        settings = Settings(event_log_url=every, database_url=before, demonstration_day=TODAY)
        service = build_app(SERVICES[name](settings), settings)
        with serving.served(service):
            consumer = service.state.running.consumer
            serving.eventually(lambda consumer=consumer: consumer.at_end, 60)
        place = {
            "ISODOSE_EVENT_LOG_URL": compacted,
            "ISODOSE_DATABASE_URL": anew,
            "ISODOSE_DEMONSTRATION_DAY": TODAY.isoformat(),
        }
        done = CliRunner().invoke(app, ["rebuild", name], env=place)
        assert (done.exit_code, done.stdout) == (0, f"{name}: rebuilt from 3 events\n"), done.output
        assert stands(anew)
        assert stands(anew) == stands(before)
        again = CliRunner().invoke(app, ["rebuild", name], env=place)
        assert (again.exit_code, "name an empty database" in again.stderr) == (1, True)


def test_the_one_record_is_not_made_from_topics(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["rebuild", "ehr_ingestion"], env={"ISODOSE_DATA_DIR": str(tmp_path)})
    assert (done.exit_code, "restore its backup" in done.stderr) == (1, True)


def test_a_rebuild_needs_no_broker_of_its_own(tmp_path: Path, patients: list[Path]) -> None:
    told = records(patients[5:6])
    publish(f"sqlite:///{tmp_path / 'events.db'}", told)
    done = CliRunner().invoke(app, ["rebuild", "ici_steroid_alerts"], env={"ISODOSE_DATA_DIR": str(tmp_path)})
    assert (done.exit_code, done.stdout) == (0, "ici_steroid_alerts: rebuilt from 2 events\n"), done.output
