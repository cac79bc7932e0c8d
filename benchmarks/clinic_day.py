"""A clinic advances by one day: only patients whose plan turns on that day are decided again.

Patients are synthetic: radiosurgery within the last two years, scans about every twelve weeks, a third of
them on a checkpoint inhibitor. Records and the days on which they are due are those of real decisions,
repeated over the clinic. The log is taken to acknowledge every batch at once.
"""

from __future__ import annotations

import datetime as dt
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import func, insert, select

from are_surveillance.app import decider
from benchmarks.report import Line
from isodose.assessment import Decider, Renewal, on_day_started
from isodose.clinical import record as clinical_record
from isodose.clinical.record import Course, Exposure, Fact, PatientRecord, Scan, Subject
from isodose.events import contract
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import guidance, outbox, patient_record
from isodose.work import Work, work_at

TODAY = dt.date(2026, 11, 23)
STORED = (1_000, 20_000)
DISTINCT = 500
WITHIN_S = 60.0
Opens = Callable[[], AbstractContextManager[Work]]


@dataclass(frozen=True)
class Told:
    """One distinct patient: the record, and the next day on which its plan turns."""

    record: PatientRecord
    due_on: dt.date | None


def measure() -> list[Line]:
    """Seconds for one day, and per patient due, against the smallest clinic."""
    decides = decider(Settings())
    told = [_decided(decides, number) for number in range(DISTINCT)]
    lines: list[Line] = []
    first = 0.0
    for stored in STORED:
        seconds, due = _day(decides, told, stored)
        each = seconds / due
        first = first or each
        within = f"< {WITHIN_S:g} s" if stored == STORED[-1] else ""
        lines.append(
            Line(
                f"a clinic of {stored:,} advances by one day, {due:,} patients due",
                f"{seconds:.1f} s, {1000 * each:.1f} ms per patient due",
                f"{1000 * first:.1f} ms per patient due at {STORED[0]:,}",
                each / first,
                within,
                seconds < WITHIN_S if within else None,
            )
        )
    return lines


def _day(decides: Decider, told: list[Told], stored: int) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'clinic.db'}")
        database.migrate()
        _store(database, decides, told, stored)
        event = contract.day_started(TODAY + dt.timedelta(days=1))
        writing, reading = _transactions(database)
        renewal = Renewal(decides, writing, reading)
        begin = time.perf_counter()
        with writing() as work:
            on_day_started(decides)(work, [event])
        while renewal.run_once():
            _acknowledge(database)
        seconds = time.perf_counter() - begin
        with database.read() as conn:
            decided = conn.execute(select(func.count()).select_from(outbox)).scalar_one()
        database.dispose()
    return seconds, int(decided)


def _transactions(database: Database) -> tuple[Opens, Opens]:
    work = work_at("http://127.0.0.1/fhir")

    @contextmanager
    def writing() -> Iterator[Work]:
        with database.begin() as conn:
            yield work(conn)

    @contextmanager
    def reading() -> Iterator[Work]:
        with database.read() as conn:
            yield work(conn)

    return writing, reading


def _acknowledge(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(
            outbox.update()
            .where(outbox.c.published_at.is_(None))
            .values(published_at=dt.datetime.now(dt.UTC))
        )


def _store(database: Database, decides: Decider, told: list[Told], stored: int) -> None:
    records, decided = [], []
    for number in range(stored):
        one = told[number % len(told)]
        patient = f"p{number}"
        record = msgspec.structs.replace(one.record, patient_id=patient)
        records.append(
            {"patient_id": patient, "version": 1, "content": clinical_record.encode(record).decode()}
        )
        decided.append(
            {
                "service": decides.service,
                "patient_id": patient,
                "record_version": 1,
                "knowledge_version": decides.knowledge.version,
                "on_date": TODAY,
                "digest": "",
                "due_on": one.due_on,
            }
        )
    with database.begin() as conn:
        conn.execute(insert(patient_record), records)
        conn.execute(insert(guidance), decided)


def _decided(decides: Decider, number: int) -> Told:
    record = _patient(random.Random(number))
    findings = decides.decide(record, decides.knowledge, TODAY)
    return Told(record, decides.next_change(record, findings, TODAY))


def _patient(chance: random.Random) -> PatientRecord:
    treated = TODAY - dt.timedelta(days=chance.randrange(730))
    scanned = [treated + dt.timedelta(days=77 * n + chance.randrange(-14, 21)) for n in range(1, 10)]
    sizes = [round(chance.uniform(0.4, 3.6), 1) for _ in range(chance.randint(1, 4))]
    lesions = tuple(
        Subject(
            ref=f"BodyStructure/l{n}",
            scope="lesion",
            facts=(Fact(name="lesion_diameter_cm", value=size, unit="cm", on=treated),),
        )
        for n, size in enumerate(sizes)
    )
    course = Course(
        ref="Procedure/c",
        kind=chance.choice(["single_srs", "fsrs"]),
        certainty="sure",
        status="completed",
        start=treated,
        end=treated,
        target_lesions=tuple(lesion.ref for lesion in lesions),
    )
    given = tuple(treated + dt.timedelta(days=21 * n) for n in range(8))
    drug = Exposure(
        ref="MedicationRequest/d",
        concept="pembrolizumab",
        drug_class="ici_pd1",
        status="completed",
        given_on=tuple(day for day in given if day <= TODAY),
    )
    return PatientRecord(
        patient_id="p",
        version=1,
        facts=(Fact(name="histology", value=chance.choice(["nsclc", "melanoma", "breast", "rcc"])),),
        subjects=lesions,
        courses=(course,),
        scans=tuple(
            Scan(ref=f"ImagingStudy/s{n}", modality="MR", region="brain", status="done", on=day)
            for n, day in enumerate(scanned)
            if treated < day <= TODAY
        ),
        exposures=(drug,) if chance.random() < 1 / 3 and drug.given_on else (),
    )
