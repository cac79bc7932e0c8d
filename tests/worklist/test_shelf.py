"""The rows that the worklist keeps: in order, of the newest decision, within what whoever looks may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from isodose.clinical.record import PatientRecord
from isodose.events.contract import record_changed
from isodose.fhir.access import Access
from isodose.security.scopes import access_of
from isodose.storage.database import Database
from isodose.storage.tables import worklist_row
from isodose.work import work_at
from worklist.handlers import keep_conclusions, place_patients
from worklist.shelf import Place, Shelf
from worklist.sight import Sight, sight_of
from worklist_services import ALERTS, EHR, OPTIONS, PLANS, Services, guidance, issue, patient, task

Tell = Callable[[Services], None]


@pytest.fixture
def tell(database: Database) -> Tell:
    """Has the worklist take in all that these services tell."""

    def told(services: Services) -> None:
        with database.begin() as conn:
            work = work_at("https://worklist.example/fhir")(conn)
            place_patients(work, services.records())
            keep_conclusions(work, services.conclusions())

    return told


@pytest.fixture
def services() -> Services:
    return Services(
        {
            EHR: [patient("p1"), patient("p2"), patient("p3")],
            OPTIONS: [guidance("p2", "kps", status="data-required")],
            PLANS: [task("p1", "overdue"), task("p2", "overdue")],
            ALERTS: [issue("p2", "high", "grave"), issue("p1", "low", "minor")],
        }
    )


def order(database: Database, sight: Sight, need: str = "") -> list[tuple[str, str]]:
    with database.read() as conn:
        return [(n, p.patient_id) for n, p in Shelf(conn).by_urgency(sight, need, None, 10)]


def counts(database: Database, sight: Sight) -> dict[str, int]:
    with database.read() as conn:
        return Shelf(conn).counts(sight)


def test_each_patient_stands_once_under_the_most_pressing_need(
    database: Database, tell: Tell, services: Services
) -> None:
    tell(services)
    assert order(database, Sight()) == [("high-alert", "p2"), ("overdue", "p1"), ("none", "p3")]
    assert order(database, Sight(), "overdue") == [("overdue", "p1"), ("overdue", "p2")]
    assert counts(database, Sight()) == {"none": 3, "overdue": 2, "high-alert": 1, "facts": 1, "alert": 1}


def test_a_page_goes_on_after_a_place(database: Database, tell: Tell, services: Services) -> None:
    tell(services)
    seen: list[str] = []
    after: Place | None = None
    with database.read() as conn:
        while found := Shelf(conn).by_urgency(Sight(), "", after, 1):
            after = found[0][1]
            seen.append(after.patient_id)
    assert seen == ["p2", "p1", "p3"]


def test_what_no_longer_holds_is_gone_and_an_older_decision_changes_nothing(
    database: Database, tell: Tell, services: Services
) -> None:
    tell(services)
    services.resources[ALERTS] = []
    services.version = 2
    tell(services)
    assert order(database, Sight())[0] == ("overdue", "p1")
    services.resources[ALERTS] = [issue("p3", "high", "of yesterday")]
    services.version = 1
    tell(services)
    assert "high-alert" not in counts(database, Sight())


def test_every_change_has_a_number_above_those_before(
    database: Database, tell: Tell, services: Services
) -> None:
    seen: list[int] = []
    for version in (1, 2, 3):
        services.version = version
        tell(services)
        with database.read() as conn:
            seen.append(min(conn.execute(select(worklist_row.c.changed)).scalars()))
    assert seen == sorted(set(seen))


def seen(*scopes: str, of: str | None = None) -> Sight:
    access: Access = access_of(scopes, of)
    request: Any = type("Request", (), {"scope": {"isodose.access": access}})()
    return sight_of(request)


def test_a_reader_sees_the_needs_of_the_types_in_their_access(
    database: Database, tell: Tell, services: Services
) -> None:
    tell(services)
    sight = seen("user/Patient.rs", "user/Task.rs", "user/ServiceRequest.rs")
    assert sight == Sight(frozenset({"plans"}))
    assert order(database, sight) == [("overdue", "p1"), ("overdue", "p2"), ("none", "p3")]
    assert counts(database, sight) == {"none": 3, "overdue": 2}
    with database.read() as conn:
        row = Shelf(conn).rows(sight, ["p2"])["p2"]
    assert (row.plans is not None, row.alerts, row.options) == (True, None, None)


def test_a_reader_of_one_patient_learns_of_no_other(
    database: Database, tell: Tell, services: Services
) -> None:
    tell(services)
    sight = seen("patient/*.rs", of="p1")
    assert order(database, sight) == [("overdue", "p1")]
    assert counts(database, sight) == {"none": 1, "overdue": 1, "alert": 1}


@pytest.mark.parametrize(
    ("scopes", "of"),
    [
        (("user/Observation.rs",), None),
        (("user/Patient.rs?name=x",), None),
        (("patient/*.rs",), None),
    ],
)
def test_a_reader_without_patients_sees_nobody(scopes: tuple[str, ...], of: str | None) -> None:
    sight = seen(*scopes, of=of)
    assert (sight.patients, sight.parts) == (frozenset(), frozenset())


def test_a_right_that_a_search_limits_is_not_taken_for_a_whole_one() -> None:
    sight = seen("user/Patient.rs", "user/DetectedIssue.rs?status=final")
    assert sight.parts == frozenset()


def test_rights_on_one_patient_do_not_show_others_results() -> None:
    sight = seen("user/Patient.rs", "patient/DetectedIssue.rs", of="p1")
    assert sight == Sight(frozenset(), None)


def test_a_patient_who_was_merged_into_another_has_no_row_until_it_is_taken_back(
    database: Database, tell: Tell, services: Services
) -> None:
    tell(services)

    def recorded(version: int, replaced_by: str) -> None:
        record = PatientRecord(patient_id="p2", version=version, replaced_by=replaced_by)
        with database.begin() as conn:
            place_patients(work_at("https://worklist.example/fhir")(conn), [record_changed(record)])

    recorded(5, "p1")
    assert "high-alert" not in counts(database, Sight())
    services.version = 5
    services.resources[EHR] = []
    with database.begin() as conn:
        late = Services({EHR: [patient("p2")], OPTIONS: [], PLANS: [], ALERTS: [issue("p2", "high", "late")]})
        late.version = 5
        keep_conclusions(work_at("https://worklist.example/fhir")(conn), late.conclusions())
    assert counts(database, Sight())["none"] == 2
    recorded(6, "")
    assert counts(database, Sight())["none"] == 3
