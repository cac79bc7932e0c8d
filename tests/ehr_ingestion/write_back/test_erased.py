"""What stands at the EHR of an erased patient goes there as well, or is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from all_in_one.command import app
from databases import both
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.write_back import erasing, ledger
from ehr_ingestion.write_back.erasing import DELETE_COPY, FIND_COPY, Deleting
from ehr_ingestion.write_back.writing import WriteBack
from isodose.events import jobs, set_aside
from isodose.events.jobs import GiveUpError, Job, LaterError
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import job
from results_at_ehr import EHR, TYPES, Ehr, Json, decided, results


@pytest.fixture
def erase(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database, serving: Any
) -> Callable[[bool], str]:
    """Erase p1 by the command, with or without what stands at the EHR; what the command said."""

    def erased(copies_too: bool) -> str:
        monkeypatch.setenv("ISODOSE_DATABASE_URL", settings.database_url)
        monkeypatch.setenv("ISODOSE_WRITE_BACK_ERASURE", str(copies_too))
        done = CliRunner().invoke(app, ["erase", "p1", "--yes"])
        assert done.exit_code == 0, done.output
        return done.stdout

    return erased


def deletions(database: Database, kind: str = DELETE_COPY) -> jobs.Standing:
    with database.read() as conn:
        return jobs.standing(conn, [kind])[kind]


def all_held(ehr: Ehr) -> list[Json]:
    return [one for kind in TYPES for one in ehr.holds(kind)]


@both
def test_an_erased_patients_results_go_at_the_ehr_as_well(
    tell: Callable[..., None], ehr: Ehr, erase: Callable[[bool], str], database: Database, serving: Any
) -> None:
    tell(1, results())
    assert len(all_held(ehr)) == len(TYPES)
    assert "5 results are to be deleted at the EHR" in erase(True)
    serving.eventually(lambda: not all_held(ehr))
    serving.eventually(lambda: deletions(database).waiting == 0)
    assert deletions(database).failed == 0
    with database.read() as conn:
        assert ledger.of_patient(conn, "p1") == {}
    assert ehr.holds("Patient"), "the patient of the EHR is the EHR's"


def test_what_the_site_does_not_delete_or_somebody_changed_is_named(
    tell: Callable[..., None], ehr: Ehr, erase: Callable[[bool], str]
) -> None:
    tell(1, results())
    [plan], [issue] = ehr.holds("CarePlan"), ehr.holds("DetectedIssue")
    ehr.put(issue | {"detail": "as the pharmacist sees it"})
    tell(2, results(detail="newer"))
    told = erase(False)
    assert f"stays at the EHR: CarePlan/{plan['id']}\n" in told
    assert f"stays at the EHR, where somebody changed it: DetectedIssue/{issue['id']}\n" in told
    assert len(all_held(ehr)) == len(TYPES)


def test_a_deletion_that_the_ehr_refuses_is_set_aside_and_one_while_it_is_away_waits(
    tell: Callable[..., None], ehr: Ehr, erase: Callable[[bool], str], database: Database, serving: Any
) -> None:
    tell(1, [results()[-1]])
    ehr.deletions = [httpx.Response(503), httpx.Response(405)]
    erase(True)
    serving.eventually(lambda: deletions(database).failed == 1, 20)
    assert ehr.deletions == []
    with database.read() as conn:
        [left] = set_aside.listed(conn)
    assert left.error == "the EHR answered 405 to the deletion of a DetectedIssue"


def test_what_is_written_while_the_patient_is_erased_goes_again(
    client: Any, ehr: Ehr, database: Database, erase: Callable[[bool], str], serving: Any
) -> None:
    running = client.app.state.running
    written = WriteBack(running, EhrClient(EHR, dict, ehr), TYPES)
    with running.transaction() as work:
        fold_guidance(work, [decided(1, [results()[-1]])], write_back=False)
    ehr.before_answering = lambda: erase(True)
    object.__setattr__(running.settings, "write_back_erasure", True)
    written.write(Job("write-back", "p1", 1, 0))
    serving.eventually(lambda: not ehr.holds("DetectedIssue"))
    with database.read() as conn:
        assert ledger.of_patient(conn, "p1") == {}


@pytest.fixture
def unanswered(
    monkeypatch: pytest.MonkeyPatch, fold: Callable[..., None], write: Callable[[], None], ehr: Ehr
) -> Callable[..., None]:
    """An alert is sent to the EHR, which makes it there or not, and never answers."""
    monkeypatch.setattr(erasing, "ON_ITS_WAY", dt.timedelta())

    def sent(made: bool = True) -> None:
        fold()
        ehr.unanswered = int(made)
        ehr.answers = [] if made else [httpx.Response(503)]
        with pytest.raises(LaterError):
            write()

    return sent


def of_others(ehr: Ehr) -> list[str]:
    """Ids at the EHR of what others made: one without an identifier, one with the same value in theirs."""
    theirs = {"identifier": [{"system": "urn:theirs", "value": "alert"}]}
    bare = {name: value for name, value in results()[-1].items() if name not in ("id", "identifier")}
    for id, more in (("bare", {}), ("theirs", theirs)):
        ehr.put(bare | more | {"id": id})
    return ["bare", "theirs"]


@both
@pytest.mark.parametrize("lists_all", [False, True])
def test_what_an_unanswered_creation_made_is_found_and_deleted_and_nothing_else(
    unanswered: Callable[..., None],
    ehr: Ehr,
    erase: Callable[[bool], str],
    database: Database,
    serving: Any,
    lists_all: bool,
) -> None:
    theirs = of_others(ehr)
    unanswered()
    assert len(ehr.holds("DetectedIssue")) == 3
    ehr.lists_all = lists_all
    told = "may stand at the EHR, which did not answer: DetectedIssue with the identifier alert; it is looked"
    assert told in erase(True)
    serving.eventually(lambda: [one["id"] for one in ehr.holds("DetectedIssue")] == theirs)
    serving.eventually(lambda: deletions(database).waiting == deletions(database, FIND_COPY).waiting == 0)
    assert deletions(database).failed == deletions(database, FIND_COPY).failed == 0


def test_what_an_unanswered_creation_did_not_make_is_done(
    unanswered: Callable[..., None], ehr: Ehr, erase: Callable[[bool], str], database: Database, serving: Any
) -> None:
    theirs = of_others(ehr)
    unanswered(made=False)
    erase(True)
    serving.eventually(lambda: any("DetectedIssue?identifier=" in one for one in ehr.asked))
    serving.eventually(lambda: deletions(database, FIND_COPY).waiting == 0)
    assert deletions(database, FIND_COPY).failed == 0
    assert [one["id"] for one in ehr.holds("DetectedIssue")] == theirs


def test_what_an_unanswered_creation_made_and_somebody_changed_stays_and_is_set_aside(
    unanswered: Callable[..., None], ehr: Ehr, erase: Callable[[bool], str], database: Database, serving: Any
) -> None:
    unanswered()
    [issue] = ehr.holds("DetectedIssue")
    ehr.put(issue | {"detail": "as the pharmacist sees it"})
    erase(True)
    serving.eventually(lambda: deletions(database, FIND_COPY).failed == 1)
    assert len(ehr.holds("DetectedIssue")) == 1


def test_without_erasure_at_the_ehr_what_it_did_not_answer_is_named(
    unanswered: Callable[..., None], ehr: Ehr, erase: Callable[[bool], str], database: Database
) -> None:
    unanswered()
    assert "DetectedIssue with the identifier alert; look for it\n" in erase(False)
    with database.read() as conn:
        assert conn.execute(select(job).where(job.c.kind == FIND_COPY)).all() == []


def test_what_may_be_on_its_way_is_looked_for_later(
    fold: Callable[..., None],
    write: Callable[[], None],
    ehr: Ehr,
    erase: Callable[[bool], str],
    database: Database,
) -> None:
    fold()
    ehr.unanswered = 1
    with pytest.raises(LaterError):
        write()
    erase(True)
    with database.read() as conn:
        [due] = conn.execute(select(job.c.due_at).where(job.c.kind == FIND_COPY)).scalars()
    assert due.replace(tzinfo=dt.UTC) > dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(403), GiveUpError),
        (httpx.Response(401), LaterError),
        (httpx.Response(500), LaterError),
        (httpx.Response(503), LaterError),
        (httpx.Response(200, text="<html>"), LaterError),
    ],
)
def test_a_search_that_is_not_answered_is_not_taken_for_nothing_found(
    client: Any, answer: httpx.Response, error: type[Exception]
) -> None:
    at_ehr = EhrClient(EHR, transport=httpx.MockTransport(lambda _: answer), attempts=1)
    with pytest.raises(error):
        Deleting(client.app.state.running, at_ehr).find(Job(FIND_COPY, "DetectedIssue/alert", 1, 0))
