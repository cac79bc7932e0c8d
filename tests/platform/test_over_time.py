"""Decisions over time: a stored result made again, and what changed knowledge would change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select

from isodose.assessment import Decider, Due, keep_knowledge, on_record_changed, reassess
from isodose.assessment.explanation import Explanation, explain
from isodose.assessment.replay import replay
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import DatedValue, Knowledge
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.fhir.errors import FhirError
from isodose.storage.database import Database
from isodose.storage.retention import prune
from isodose.storage.tables import (
    decision,
    guidance,
    knowledge_version,
    outbox,
    record_version,
    resource_version,
)
from isodose.work import Work, work_at

TODAY = date(2026, 11, 23)
OPENED = work_at("http://127.0.0.1/fhir")


@pytest.fixture
def work(database: Database) -> Iterator[Work]:
    with database.begin() as conn:
        yield OPENED(conn)


@pytest.fixture
def from_day(decider: Decider) -> Decider:
    """The decider with a limit in its knowledge, 70 until the end of the year and 50 from then on."""

    def decide(record: PatientRecord, knowledge: Knowledge, on: date) -> list[Finding]:
        [finding] = decider.decide(record, knowledge, on)
        met = isinstance(finding.value, int) and finding.value >= knowledge.values("FIT", on)["kps_at_least"]
        return [msgspec.structs.replace(finding, verdict="met" if met else "not-met")]

    dated = (
        DatedValue(valid_from=date(2020, 1, 1), until=date(2027, 1, 1), value=70),
        DatedValue(valid_from=date(2027, 1, 1), value=50),
    )
    return replace(decider, decide=decide, knowledge=_with(decider, values={"kps_at_least": dated}))


def _with(decider: Decider, **changes: Any) -> Knowledge:
    entry = msgspec.structs.replace(decider.knowledge.entries["FIT"], **changes)
    return decider.knowledge.holding({"FIT": entry})


def _explained(work: Work, decider: Decider, version: str | None = None) -> Explanation:
    task = next(one for one in work.resources.results_of("p1") if one.type == "Task")
    told = explain(work, decider, "Task", task.id, version)
    assert told is not None
    return told


def test_a_result_is_made_again_to_the_byte_and_says_what_made_it(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(3, 80), TODAY)])
    told = _explained(work, decider)
    assert (told.outcome, told.digest_holds, told.differences) == ("same", True, ())
    assert (told.basis.record_version, told.basis.on) == (3, TODAY)
    assert [finding.code for finding in told.findings] == ["FIT"]


def test_an_older_version_is_made_again_from_the_record_and_knowledge_of_its_time(
    work: Work, decider: Decider, a_record: Any
) -> None:
    keep_knowledge(work, decider)
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    later = replace(decider, knowledge=_with(decider, statement="KPS of 70 or more"))
    keep_knowledge(work, later)
    reassess(work, later, [Due(a_record(2, 40), TODAY + timedelta(days=1))])
    first, last = (_explained(work, later, version) for version in ("1", None))
    assert (first.outcome, first.basis.record_version, first.digest_holds) == ("same", 1, True)
    assert first.basis.knowledge_version == decider.knowledge.version
    assert (last.outcome, last.basis.record_version, last.digest_holds) == ("withdrawn", 2, True)


def test_rules_that_answer_otherwise_than_then_are_noticed(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])

    def urgent(*given: Any) -> Any:
        options, resources = decider.conclude(*given)
        return options, [one | {"priority": "urgent"} for one in resources]

    told = _explained(work, replace(decider, conclude=urgent))
    assert told.outcome == "differs"
    assert [(one.path, one.stored, one.again) for one in told.differences] == [
        ("Task.priority", None, "urgent")
    ]
    stricter = replace(decider, decide=lambda r, k, on: decider.decide(a_record(1, 40), k, on))
    told = _explained(work, stricter)
    assert (told.outcome, told.digest_holds) == ("differs", False)
    assert "does not conclude it" in told.reason


@pytest.mark.parametrize(("table", "said"), [(record_version, "Record"), (knowledge_version, "Knowledge")])
def test_what_is_not_kept_is_said(work: Work, decider: Decider, a_record: Any, table: Any, said: str) -> None:
    keep_knowledge(work, decider)
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    work.conn.execute(delete(table))
    told = _explained(work, replace(decider, knowledge=_with(decider, statement="Fit")))
    assert (told.outcome, told.reason.split()[0]) == ("not-derived", said)
    assert explain(work, decider, "Task", "none") is None


def test_replay_tells_who_would_get_another_answer_and_writes_nothing(
    database: Database, from_day: Decider, a_record: Any
) -> None:
    with database.begin() as conn:
        for kps, patient in ((60, "p1"), (80, "p2"), (40, "p3")):
            _comes(OPENED(conn), from_day, a_record(1, kps, patient))
        before = _rows(OPENED(conn))
    lower = (DatedValue(valid_from=date(2020, 1, 1), value=50),)
    changed = _with(from_day, values={"kps_at_least": lower})
    told = list(replay(database, from_day, changed, TODAY, TODAY))
    assert [(one.patient_id, bool(one.changes)) for one in told] == [
        ("p1", True),
        ("p2", False),
        ("p3", False),
    ]
    said = [(c.kind, c.name, c.before, c.after, c.because) for c in told[0].changes]
    assert said == [
        ("finding", "FIT", "not-met 60", "met 60", ("FIT",)),
        ("work", "p1", "", "requested", ()),
    ]
    with database.read() as conn:
        assert _rows(OPENED(conn)) == before
    assert list(replay(database, from_day, changed, TODAY + timedelta(days=1), TODAY)) == []


def test_replay_for_a_day_uses_the_values_in_force_on_it(
    database: Database, from_day: Decider, a_record: Any
) -> None:
    with database.begin() as conn:
        _comes(OPENED(conn), from_day, a_record(1, 60))
    always = (DatedValue(valid_from=date(2020, 1, 1), value=70),)
    changed = _with(from_day, values={"kps_at_least": always})
    for day, differs in ((TODAY, False), (date(2027, 1, 1), True)):
        [told] = replay(database, from_day, changed, TODAY, day)
        assert bool(told.changes) is differs


def test_other_words_alone_are_no_other_answer(database: Database, decider: Decider, a_record: Any) -> None:
    with database.begin() as conn:
        _comes(OPENED(conn), decider, a_record(1, 80))
    [told] = replay(database, decider, _with(decider, statement="KPS of 70 or more"), TODAY, TODAY)
    assert not told.changes


def _comes(work: Work, decider: Decider, record: PatientRecord) -> None:
    on_record_changed(decider)(work, [contract.record_changed(record)])


def _rows(work: Work) -> list[Any]:
    tables = (decision, guidance, outbox, record_version, resource_version)
    return [row for table in tables for row in work.conn.execute(select(table)).all()]


def test_a_history_is_shortened_and_what_is_left_is_still_made_again(
    work: Work, decider: Decider, a_record: Any
) -> None:
    clock = iter(datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 30))
    for version, kps in enumerate((80, 40, 90, 30, 70), start=1):
        at = next(clock)
        work.resources.clock = lambda at=at: at
        reassess(work, decider, [Due(a_record(version, kps), TODAY)])
    deleted = prune(work.conn, "2026-11-04T00:00:00.000Z")
    assert deleted == {"resource_version": 4, "decision": 2, "record_version": 2}
    assert [_explained(work, decider, str(v)).outcome for v in (4, 5)] == ["not-derived", "same"]
    assert prune(work.conn, "2026-11-04T00:00:00.000Z") == dict.fromkeys(deleted, 0)
    with pytest.raises(FhirError):
        _explained(work, decider, "1")


def test_a_result_that_stands_unchanged_keeps_the_decision_that_wrote_it(
    work: Work, decider: Decider, a_record: Any
) -> None:
    for version in (1, 2, 3):
        work.resources.clock = lambda version=version: datetime(2026, 11, version, tzinfo=UTC)
        reassess(work, decider, [Due(a_record(version, 80), TODAY)])
    prune(work.conn, "2026-12-01T00:00:00.000Z")
    told = _explained(work, decider)
    assert (told.outcome, told.basis.record_version) == ("same", 1)
