"""What is erased of a patient: every table is thought of, and nobody else's rows are touched."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import insert, select

from isodose.clinical.record import PatientRecord
from isodose.storage.database import Database
from isodose.storage.erasure import KNOWN, Related, erase
from isodose.storage.records import Guidance
from isodose.storage.tables import bulk_line, day_pass, metadata, resource_version
from isodose.work import Work, work_at

DAY = dt.date(2026, 11, 23)


def test_every_table_is_thought_of() -> None:
    assert {table.name for table in KNOWN} == set(metadata.tables)


def fill(work: Work, patient: str) -> None:
    about = {
        "resourceType": "Basic",
        "id": f"about-{patient}",
        "subject": {"reference": f"Patient/{patient}"},
    }
    for resource in ({"resourceType": "Patient", "id": patient}, about):
        work.resources.put_result(resource, patient)
    record = PatientRecord(patient_id=patient, version=1)
    work.records.put(record)
    made = Guidance("s", patient, 1, "k", DAY, "d")
    work.guidance.put(made)
    work.archive.keep("2026-11-23T00:00:00.000Z", [made], [record])
    work.outbox.bury("isodose.patient-record.v1", patient)
    line = {"export": 1, "file": 1, "line": len(patient), "reason": "waits", "place": "Condition/c"}
    work.conn.execute(insert(bulk_line), line | {"text": f'{{"reference":"Patient/{patient}"}}'})


def rows(work: Work) -> dict[str, list[str]]:
    found = {table.name: work.conn.execute(select(table)).all() for table in metadata.sorted_tables}
    return {name: [repr(row) for row in of_one] for name, of_one in found.items() if of_one}


def test_one_patient_goes_and_another_whose_id_begins_the_same_stays(database: Database) -> None:
    with database.begin() as conn:
        work = work_at("http://127.0.0.1/fhir")(conn)
        fill(work, "p10")
        others = rows(work)
        fill(work, "p1")
        work.resources.put_result({"resourceType": "Basic", "id": "thread"})
        assert erase(conn, "p1", Related(resources=[("Basic", "thread")], events=["card"])) > 8
        assert rows(work) == others


def test_who_was_merged_into_the_patient_goes_as_well(database: Database) -> None:
    with database.begin() as conn:
        work = work_at("http://127.0.0.1/fhir")(conn)
        fill(work, "p3")
        others = rows(work)
        fill(work, "p20")
        fill(work, "p4000")
        work.identities.put(["p4000"], {"p4000": "p20"})
        erase(conn, "p20")
        assert rows(work) == others


def test_a_pass_of_the_day_goes_on_where_it_stood_without_telling_who_was_last(database: Database) -> None:
    with database.begin() as conn:
        now = dt.datetime.now(dt.UTC)
        row = {"service": "s", "on_date": DAY, "knowledge_version": "k", "after_patient": "p5"}
        conn.execute(insert(day_pass), row | {"failed": 0, "begun_at": now})
        erase(conn, "p5")
        assert "p" <= conn.execute(select(day_pass.c.after_patient)).scalar_one() < "p5"


def test_what_another_patients_resource_said_of_the_erased_one_goes(database: Database) -> None:
    with database.begin() as conn:
        work = work_at("http://127.0.0.1/fhir")(conn)
        for patient in ("p1", "p2"):
            subject = {"reference": f"Patient/{patient}"}
            work.resources.put_result({"resourceType": "Basic", "id": "moved", "subject": subject}, patient)
        erase(conn, "p1")
        kept = conn.execute(select(resource_version.c.body)).scalars().all()
        assert len(kept) == 1
        assert "Patient/p2" in kept[0]
