"""One decision with everything around it: stored, published, withdrawn, never going back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from isodose.assessment import Decider, Due, decide, digest, on_record_changed, reassess
from isodose.clinical import finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.events import contract
from isodose.storage.database import Database
from isodose.storage.tables import outbox
from isodose.work import Work, work_at

TODAY = date(2026, 11, 23)


@pytest.fixture
def work(database: Database) -> Iterator[Work]:
    with database.begin() as conn:
        yield work_at("http://127.0.0.1/fhir")(conn)


def _published(work: Work) -> list[dict[str, Any]]:
    rows = work.conn.execute(select(outbox).order_by(outbox.c.seq)).all()
    return [msgspec.json.decode(bytes(contract.decode(row.value).data)) for row in rows]


def _task(work: Work) -> dict[str, Any]:
    return next(one.resource() for one in work.resources.results_of("p1") if one.type == "Task")


def test_a_decision_is_stored_published_and_says_what_it_rests_on(
    work: Work, decider: Decider, a_record: Any
) -> None:
    assert reassess(work, decider, [Due(a_record(3, 80), TODAY)])
    kept = work.guidance.get("fitness", "p1")
    assert kept is not None
    assert (kept.record_version, kept.on, kept.due_on) == (3, TODAY, TODAY + timedelta(days=7))
    told = _published(work)[0]
    assert (told["patientId"], told["recordVersion"], told["on"]) == ("p1", 3, "2026-11-23")
    provenance = next(r for r in told["resources"] if r["resourceType"] == "Provenance")
    assert provenance["target"] == [{"reference": f"Task/{_task(work)['id']}"}]
    values = [e["what"].get("identifier", {}).get("value") for e in provenance["entity"]]
    assert values[:2] == ["p1/3", f"fitness/{decider.knowledge.version}"]


def test_the_same_decision_asked_for_again_does_nothing(work: Work, decider: Decider, a_record: Any) -> None:
    assert reassess(work, decider, [Due(a_record(3, 80), TODAY)])
    assert not reassess(work, decider, [Due(a_record(3, 80), TODAY)])
    assert len(_published(work)) == 1


def test_a_result_no_longer_concluded_is_withdrawn_and_comes_back_as_itself(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    first = _task(work)
    reassess(work, decider, [Due(a_record(2, 40), TODAY)])
    assert _task(work)["status"] == "cancelled"
    assert _task(work)["statusReason"]["text"] == (
        "No longer concluded. What changed: new: kps 40 of 2026-11-01 (Observation/k); "
        "gone: kps 80 of 2026-11-01 (Observation/k)."
    )
    assert "Task" in [r["resourceType"] for r in _published(work)[-1]["resources"]]
    reassess(work, decider, [Due(a_record(3, 90), TODAY)])
    assert (_task(work)["id"], _task(work)["status"]) == (first["id"], "requested")
    assert "statusReason" not in _task(work)


def test_the_reason_of_a_withdrawal_stays_what_it_was(work: Work, decider: Decider, a_record: Any) -> None:
    for version, kps in ((1, 80), (2, 40), (3, 30)):
        reassess(work, decider, [Due(a_record(version, kps), TODAY)])
    assert "kps 40" in _task(work)["statusReason"]["text"]


def test_a_withdrawal_tells_the_day_and_the_knowledge_that_changed(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    entry = msgspec.structs.replace(decider.knowledge.entries["FIT"], statement="KPS of 90 or more")
    unfit = replace(decider, knowledge=Knowledge({"FIT": entry}), conclude=lambda *_: ([], []))
    reassess(work, unfit, [Due(a_record(1, 80), TODAY + timedelta(days=1))])
    assert _task(work)["statusReason"]["text"] == (
        "No longer concluded. What changed: the day is 2026-11-24, it was 2026-11-23; the clinical knowledge "
        "is of another version."
    )


def test_results_on_a_patient_who_was_merged_are_withdrawn_and_come_back_with_the_unmerge(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    first = _task(work)
    merged = PatientRecord(patient_id="p1", version=2, replaced_by="p2")
    assert reassess(work, decider, [Due(merged, TODAY)])
    assert _task(work)["status"] == "cancelled"
    told = _published(work)[-1]
    assert (told["findings"], [one["resourceType"] for one in told["resources"]]) == ([], ["Task"])
    kept = work.guidance.get("fitness", "p1")
    assert kept is not None
    assert (kept.due_on, kept.record_version) == (None, 2)
    reassess(work, decider, [Due(a_record(3, 80), TODAY)])
    assert (_task(work)["id"], _task(work)["status"]) == (first["id"], "requested")


def test_a_decision_never_goes_back_to_an_older_record_or_day(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(5, 80), TODAY)])
    assert not reassess(work, decider, [Due(a_record(4, 40), TODAY)])
    assert not reassess(work, decider, [Due(a_record(5, 80), TODAY - timedelta(days=1))])
    assert reassess(work, decider, [Due(a_record(6, 80), TODAY - timedelta(days=1))])
    assert _published(work)[-1]["on"] == TODAY.isoformat()


def test_new_knowledge_decides_anew_on_the_same_record(work: Work, decider: Decider, a_record: Any) -> None:
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    entry = msgspec.structs.replace(decider.knowledge.entries["FIT"], statement="KPS of 70 or more")
    changed = replace(decider, knowledge=Knowledge({"FIT": entry}))
    assert reassess(work, changed, [Due(a_record(1, 80), TODAY)])


def test_a_redelivered_or_late_record_changes_nothing(work: Work, decider: Decider, a_record: Any) -> None:
    handle = on_record_changed(decider)
    newer, older = (contract.record_changed(a_record(v, k)) for v, k in ((2, 80), (1, 40)))
    for event in (newer, older, newer):
        handle(work, [event])
    stored = work.records.get("p1")
    assert stored is not None
    assert stored.version == 2
    assert [told["recordVersion"] for told in _published(work)] == [2]


def test_events_taken_together_end_as_they_do_one_by_one(work: Work, decider: Decider, a_record: Any) -> None:
    told = [(1, 80, "p1"), (3, 90, "p2"), (2, 40, "p1"), (2, 40, "p2"), (3, 80, "p1")]
    on_record_changed(decider)(work, [contract.record_changed(a_record(*one)) for one in told])
    published = {one["patientId"]: one for one in _published(work)}
    assert {patient: one["recordVersion"] for patient, one in published.items()} == {"p1": 3, "p2": 3}
    assert {s.patient_id for s in work.resources.results_of("p1", "p2")} == {"p1", "p2"}
    assert work.records.versions(["p1", "p2"]) == {"p1": 3, "p2": 3}


def test_a_stored_decision_can_be_proved_from_its_record_knowledge_and_day(
    work: Work, decider: Decider, a_record: Any
) -> None:
    reassess(work, decider, [Due(a_record(1, 80), TODAY)])
    kept, record = work.guidance.get("fitness", "p1"), a_record(1, 80)
    assert kept is not None
    assert kept.digest == digest(decide(decider, record, kept.on))
    assert kept.digest != digest(decide(decider, a_record(1, 40), kept.on))


def test_same_record_knowledge_and_day_give_the_same_bytes(decider: Decider, a_record: Any) -> None:
    first, second = (decide(decider, a_record(1, 80), TODAY) for _ in range(2))
    assert finding.encode(first.findings) == finding.encode(second.findings)
    assert first.resources == second.resources
