"""What was sent and not answered is known as ours, and a process that lost its turn takes nothing down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from databases import both
from ehr_ingestion.handlers import fold_guidance
from isodose.events.jobs import LaterError
from isodose.storage.database import Database
from results_at_ehr import TYPES, Ehr, Json, decided, entry, results


@pytest.mark.parametrize("then", [{"detail": "third"}, {"detail": "as it was"}, {"status": "cancelled"}])
@pytest.mark.parametrize("made_before", [True, False])
def test_what_was_written_and_not_answered_is_ours_and_is_replaced(
    fold: Callable[..., None],
    write: Callable[[], None],
    ehr: Ehr,
    database: Database,
    then: Json,
    made_before: bool,
) -> None:
    fold()
    if made_before:
        write()
        fold(detail="second")
    ehr.unanswered = 1
    with pytest.raises(LaterError):
        write()
    fold(**then)
    write()
    [issue] = ehr.holds("DetectedIssue")
    assert issue.items() >= then.items()
    assert entry(database, "DetectedIssue", "alert").state == "written"


def test_several_attempts_that_were_not_answered_are_all_ours(
    fold: Callable[..., None], write: Callable[[], None], ehr: Ehr, database: Database
) -> None:
    ehr.unanswered = 4
    for number in range(4):
        fold(detail=f"attempt {number}")
        with pytest.raises(LaterError):
            write()
    fold(detail="the last")
    write()
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["the last"]
    assert entry(database, "DetectedIssue", "alert").unanswered == ()


def test_a_process_that_is_about_to_stop_leaves_the_rest_to_the_next(
    client: Any, write: Callable[[], None], ehr: Ehr
) -> None:
    running = client.app.state.running
    with running.transaction() as work:
        fold_guidance(work, [decided(1, results())], write_back=False)
    ehr.before_answering = running.leaving.set
    with pytest.raises(LaterError):
        write()
    assert ehr.sent == ["POST CarePlan"]
    running.leaving.clear()
    write()
    assert [len(ehr.holds(kind)) for kind in TYPES] == [1, 1, 1, 1, 1]


@both
def test_a_process_that_is_overtaken_while_it_writes_takes_nothing_down(
    fold: Callable[..., None], write: Callable[[], None], ehr: Ehr, database: Database
) -> None:
    fold()
    write()
    fold(detail="second")

    def overtaken() -> None:
        fold(detail="third")
        write()

    ehr.before_answering = overtaken
    with pytest.raises(LaterError):
        write()
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["third"]
    assert entry(database, "DetectedIssue", "alert").state == "written"
    write()
    assert ehr.holds("DetectedIssue")[0]["meta"]["versionId"] == "2"
