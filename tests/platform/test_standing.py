"""`$assess` for the resources alone: what is stored, where that is what would be decided on the day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from isodose.assessment import Decider, Due, assess, reassess
from isodose.assessment.standing import standing
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.errors import FhirError
from isodose.storage.database import Database
from isodose.work import Work, work_at

TODAY = date(2026, 11, 23)


@pytest.fixture
def work(database: Database) -> Iterator[Work]:
    with database.begin() as conn:
        yield work_at("http://127.0.0.1/fhir")(conn)


def _asked(work: Work, decider: Decider, record: PatientRecord, on: date, **more: Any) -> dict[str, Any]:
    parameter = [
        {"name": "subject", "valueReference": {"reference": "Patient/p1"}},
        {"name": "on", "valueDate": f"{on}"},
        *({"name": name} | value for name, value in more.items()),
    ]
    asked = {"resourceType": "Parameters", "parameter": parameter}
    return assess(decider, asked, lambda _id: record, lambda one, day: standing(work, decider, one, day))


RESOURCES = {"show": {"valueCode": "resources"}}


def _resources(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["resource"] for one in answer["parameter"] if one["name"] == "resource"]


@pytest.mark.parametrize("later", [0, 6])
def test_what_is_stored_is_answered_until_the_answer_may_differ(
    work: Work, decider: Decider, a_record: Any, later: int
) -> None:
    record, day = a_record(3, 80), TODAY + timedelta(days=later)
    reassess(work, decider, [Due(record, TODAY)])
    answer = _asked(work, decider, record, day, **RESOURCES)
    task, provenance = _resources(answer)
    assert task.pop("meta")["versionId"] == "1"
    assert task == _resources(_asked(work, decider, record, day))[0]
    assert provenance["occurredDateTime"] == "2026-11-23"
    assert answer["parameter"][-1] == {"name": "on", "valueDate": f"{day}"}


def test_findings_are_left_out(work: Work, decider: Decider, a_record: Any) -> None:
    record = a_record(3, 80)
    for _ in range(2):
        answer = _asked(work, decider, record, TODAY, **RESOURCES, explain={"valueBoolean": True})
        named = {"resource", "knowledge-version", "record-version", "on"}
        assert {one["name"] for one in answer["parameter"]} == named
        reassess(work, decider, [Due(record, TODAY)])


def test_it_is_decided_again_where_day_record_or_knowledge_moved(
    work: Work, decider: Decider, a_record: Any
) -> None:
    record = a_record(3, 80)
    reassess(work, decider, [Due(record, TODAY)])
    entries = {"FIT": msgspec.structs.replace(decider.knowledge.entry("FIT"), statement="Fit")}
    for maker, asked, day in (
        (decider, record, TODAY + timedelta(days=7)),
        (decider, record, TODAY - timedelta(days=1)),
        (decider, a_record(4, 80), TODAY),
        (replace(decider, knowledge=Knowledge(entries)), record, TODAY),
    ):
        made = _resources(_asked(work, maker, asked, day, **RESOURCES))
        assert "meta" not in made[0]
        assert made == _resources(_asked(work, maker, asked, day))


def test_what_was_withdrawn_does_not_stand(work: Work, decider: Decider, a_record: Any) -> None:
    reassess(work, decider, [Due(a_record(3, 80), TODAY)])
    reassess(work, decider, [Due(a_record(4, 40), TODAY)])
    assert _resources(_asked(work, decider, a_record(4, 40), TODAY, **RESOURCES)) == []


def test_a_word_that_show_does_not_know_is_refused(work: Work, decider: Decider, a_record: Any) -> None:
    with pytest.raises(FhirError, match="all, named, resources"):
        _asked(work, decider, a_record(3, 80), TODAY, show={"valueCode": "some"})
