"""A service that is told to stop: what is being handled comes to its end, and its events still leave."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

from isodose.clinical.record import PatientRecord
from isodose.events.contract import day_started, encode, record_changed
from isodose.events.log import Record, open_log
from isodose.events.outbox import Outbox, waiting
from isodose.running import Running, Service
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.telemetry import Telemetry

DAYS = "isodose.day-started.v1"


def test_what_is_written_while_a_service_stops_still_leaves(tmp_path: Path) -> None:
    began, told_to_stop = threading.Event(), threading.Event()

    def handler(work, _events) -> None:
        began.set()
        told_to_stop.wait(60)
        record = record_changed(PatientRecord(patient_id="p", version=1))
        Outbox(work.conn).add("isodose.patient-record.v1", "p", record)

    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'own.db'}", event_log_url=f"sqlite:///{tmp_path / 'events.db'}"
    )
    database = Database(settings.database_url)
    database.migrate()
    service = Service(name="ehr_ingestion", title="", port=0, handlers={DAYS: handler})
    running = Running(service, settings, Telemetry().of(service.name, "sqlite", "sqlite"))
    running.start()
    with_day = open_log(settings.event_log_url)
    with_day.publish([Record(DAYS, None, encode(day_started(dt.date(2026, 11, 23))))])
    with_day.close()
    assert began.wait(30)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    stopping.join(0.5)
    told_to_stop.set()
    stopping.join(60)
    with database.read() as conn:
        assert waiting(conn)[0] == 0
    with open_log(settings.event_log_url).connect() as log:
        assert log.execute("SELECT key FROM record WHERE key = 'p'").fetchall() == [("p",)]
    database.dispose()
