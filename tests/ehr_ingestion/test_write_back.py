"""Results stand at the EHR once, about the right patient, follow what changes, and overwrite nobody.

The EHR is played by a FHIR server of our own, which knows conditional creates, versions and If-Match.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner

from all_in_one.command import app
from databases import both
from ehr_ingestion.app import service
from ehr_ingestion.ehr_client import EhrClient
from ehr_ingestion.handlers import fold_guidance
from ehr_ingestion.write_back import erasing, ledger
from ehr_ingestion.write_back.erasing import DELETE_COPY, FIND_COPY, Deleting
from ehr_ingestion.write_back.patients import patient_at
from ehr_ingestion.write_back.writing import WriteBack, overwriting
from isodose.events import contract, jobs, set_aside
from isodose.events.jobs import GiveUpError, Job, LaterError
from isodose.service import build_app
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import job, written_back
from served import Network

Json = dict[str, Any]
EHR = "https://ehr.example/fhir"
BASE = "https://isodose.example/fhir"
TYPES = ("CarePlan", "ServiceRequest", "Task", "DetectedIssue", "RequestGroup")
MRN = [{"system": "urn:mrn", "value": "77"}]
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-01", "identifier": MRN}


class Ehr(Network):
    """A FHIR server in this process; `answers` come first for writes, `sent` keeps what was written. So many
    writes are `unanswered`, although they are done. A search may find everything (`lists_all`).
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.answers: list[httpx.Response] = []
        self.sent: list[str] = []
        self.refuses, self.refusal = "", 422
        self.deletions: list[httpx.Response] = []
        self.before_answering: Callable[[], object] = lambda: None
        self.unanswered = 0
        self.lists_all = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if self.unanswered and request.method in ("POST", "PUT"):
            self.unanswered -= 1
            raise httpx.ReadError("the answer is lost")
        return answer

    def instead(self, request: httpx.Request) -> httpx.Response | None:
        if request.method == "DELETE":
            return self.deletions.pop(0) if self.deletions else None
        if request.method == "GET" and self.lists_all:
            return httpx.Response(200, content=self.client.get(request.url.path).content)
        if request.method not in ("POST", "PUT"):
            return None
        then, self.before_answering = self.before_answering, lambda: None
        then()
        kind = request.url.path.removeprefix("/fhir/").partition("/")[0]
        self.sent.append(f"{request.method} {kind}")
        if self.refuses and self.sent[-1].endswith(self.refuses):
            return httpx.Response(self.refusal, json={"resourceType": "OperationOutcome"})
        return self.answers.pop(0) if self.answers else None

    def holds(self, kind: str) -> list[Json]:
        answer = self.client.get(f"/fhir/{kind}?_sort=_id").json()
        return [entry["resource"] for entry in answer.get("entry", [])]


def result(kind: str, key: str, **more: Any) -> Json:
    identifier = [{"system": f"{BASE}/NamingSystem/result", "value": key}]
    subject = {"Task": "for", "DetectedIssue": "patient"}.get(kind, "subject")
    intent = {} if kind in ("DetectedIssue", "RiskAssessment") else {"intent": "proposal"}
    made = {"resourceType": kind, "id": key, "identifier": identifier, "status": "active", **intent}
    return made | {subject: {"reference": "Patient/p1"}} | more


def results(**issue: Any) -> list[Json]:
    """A plan with an order and a task that point to each other, options, an alert, and what is not
    written.
    """
    return [
        result(
            "CarePlan",
            "plan",
            activity=[{"reference": {"reference": "ServiceRequest/mri"}}],
            supportingInfo=[{"reference": "RiskAssessment/risk"}, {"reference": "Procedure/course"}],
        ),
        result("ServiceRequest", "mri", status="draft", basedOn=[{"reference": "CarePlan/plan"}]),
        result("Task", "book", status="requested", focus={"reference": "ServiceRequest/mri"}),
        result("RiskAssessment", "risk", status="final"),
        result(
            "RequestGroup",
            "options",
            action=[
                {"title": "SRS", "resource": {"reference": f"{BASE}/ActivityDefinition/srs", "display": "x"}}
            ],
        ),
        result("DetectedIssue", "alert", **({"status": "final", "detail": "as it was"} | issue)),
    ]


def decided(version: int, resources: list[Json]) -> contract.Event:
    data = {
        "patientId": "p1",
        "service": "are_surveillance",
        "recordVersion": version,
        "knowledgeVersion": "k",
        "on": "2026-11-23",
        "findings": [],
        "options": [],
        "resources": resources,
    }
    return contract.guidance("isodose.surveillance.planned", "are_surveillance", data, "p1")


@pytest.fixture(params=["defined"])
def database_url(request: pytest.FixtureRequest) -> str:
    made: str = request.getfixturevalue(f"new_{request.param}")()
    return made


@pytest.fixture
def ehr(at_the_ehr: Any) -> Ehr:
    played = Ehr(at_the_ehr)
    played.put(PATIENT)
    return played


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        event_log_url=f"sqlite:///{tmp_path / 'events.db'}",
        public_url="http://127.0.0.1",
        ehr_fhir_url=EHR,
        ehr_requests_per_minute=0,
        write_back_types=TYPES,
    )


@pytest.fixture
def client(settings: Settings, ehr: Ehr, serving: Any) -> Iterator[Any]:
    with serving.served(build_app(service(settings, ehr), settings)) as running:
        assert running.put("/fhir/Patient/p1", json=PATIENT).status_code == 201
        yield running


@pytest.fixture
def tell(client: Any, database: Database, serving: Any) -> Callable[..., None]:
    """Fold a decision in, and wait until its results are at the EHR or were refused there."""

    def told(version: int, resources: list[Json]) -> None:
        running = client.app.state.running
        with running.transaction() as work:
            fold_guidance(work, [decided(version, resources)], write_back=True)
        serving.eventually(lambda: settled(database))

    return told


def settled(database: Database) -> bool:
    with database.read() as conn:
        return jobs.standing(conn, ["write-back"])["write-back"].waiting == 0


def entry(database: Database, kind: str, id: str) -> ledger.Entry:
    with database.read() as conn:
        found = ledger.get(conn, kind, id)
    assert found is not None
    return found


@both
def test_each_result_stands_at_the_ehr_once_and_points_to_what_is_there(
    tell: Callable[..., None], ehr: Ehr
) -> None:
    for version in (1, 1, 2):
        tell(version, results())
    [plan], [order], [task] = ehr.holds("CarePlan"), ehr.holds("ServiceRequest"), ehr.holds("Task")
    assert plan["activity"] == [{"reference": {"reference": f"ServiceRequest/{order['id']}"}}]
    assert order["basedOn"] == [{"reference": f"CarePlan/{plan['id']}"}]
    assert task["focus"] == {"reference": f"ServiceRequest/{order['id']}"}
    assert plan["identifier"] == [{"system": f"{BASE}/NamingSystem/result", "value": "plan"}]
    assert sorted(ehr.sent) == sorted([*(f"POST {kind}" for kind in TYPES), "PUT CarePlan"])


def test_what_is_not_written_is_pointed_to_by_its_identifier_and_the_ehrs_by_its_own_id(
    tell: Callable[..., None], ehr: Ehr
) -> None:
    tell(1, results())
    [plan], [group] = ehr.holds("CarePlan"), ehr.holds("RequestGroup")
    risk = {"system": f"{BASE}/NamingSystem/result", "value": "risk"}
    assert plan["supportingInfo"] == [
        {"type": "RiskAssessment", "identifier": risk},
        {"reference": "Procedure/course"},
    ]
    address = {"system": "urn:ietf:rfc:3986", "value": f"{BASE}/ActivityDefinition/srs"}
    assert group["action"][0]["resource"] == {"identifier": address, "display": "x"}
    assert ehr.holds("RiskAssessment") == []


def test_only_what_changed_is_sent_again(tell: Callable[..., None], ehr: Ehr) -> None:
    tell(1, results())
    ehr.sent.clear()
    tell(2, results(detail="changed"))
    assert ehr.sent == ["PUT DetectedIssue"]
    [issue] = ehr.holds("DetectedIssue")
    assert (issue["detail"], issue["meta"]["versionId"]) == ("changed", "2")


def test_a_withdrawn_result_is_withdrawn_at_the_ehr_and_never_made_there(
    tell: Callable[..., None], ehr: Ehr
) -> None:
    tell(1, results())
    tell(2, [*results(status="cancelled"), result("DetectedIssue", "other", status="cancelled")])
    [issue] = ehr.holds("DetectedIssue")
    assert (issue["identifier"][0]["value"], issue["status"]) == ("alert", "cancelled")


def test_what_somebody_changed_at_the_ehr_is_not_overwritten_until_it_is_settled(
    client: Any, tell: Callable[..., None], ehr: Ehr, database: Database, serving: Any
) -> None:
    tell(1, results())
    [issue] = ehr.holds("DetectedIssue")
    ehr.put(issue | {"detail": "a clinician's words"})
    tell(2, results(detail="changed"))
    tell(3, results(detail="changed again"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["a clinician's words"]
    conflict = entry(database, "DetectedIssue", "alert")
    assert (conflict.state, conflict.status) == ("conflict", 412)
    shown = 'isodose_write_back_results{service="ehr_ingestion",state="conflict"} 1.0'
    assert shown in client.get("/metrics").text
    with client.app.state.running.transaction() as work:
        ledger.put(work.conn, overwriting(EhrClient(EHR, transport=ehr), conflict))
    tell(4, results(detail="changed again"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["changed again"]
    assert entry(database, "DetectedIssue", "alert").state == "written"


def test_what_somebody_deleted_at_the_ehr_is_not_made_again(
    tell: Callable[..., None], ehr: Ehr, database: Database
) -> None:
    tell(1, results())
    [issue] = ehr.holds("DetectedIssue")
    ehr.client.request("DELETE", f"/fhir/DetectedIssue/{issue['id']}")
    tell(2, results(detail="changed"))
    assert ehr.holds("DetectedIssue") == []
    assert entry(database, "DetectedIssue", "alert").state == "conflict"


def test_a_version_that_says_the_same_is_no_conflict(tell: Callable[..., None], ehr: Ehr) -> None:
    tell(1, results())
    [issue] = ehr.holds("DetectedIssue")
    ehr.put(
        issue | {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}}
    )
    tell(2, results(detail="changed"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["changed"]


@pytest.mark.parametrize("changed", [False, True])
def test_what_was_made_before_a_crash_is_found_again(
    tell: Callable[..., None], ehr: Ehr, database: Database, changed: bool
) -> None:
    tell(1, results())
    with database.begin() as conn:
        conn.execute(delete(written_back))
    tell(2, results(detail="changed") if changed else [*results(), result("Task", "new", status="requested")])
    assert [len(ehr.holds(kind)) for kind in TYPES] == [1, 1, 1 if changed else 2, 1, 1]
    assert ehr.holds("DetectedIssue")[0]["detail"] == ("changed" if changed else "as it was")


@pytest.fixture
def fold(client: Any) -> Callable[..., None]:
    """Fold a decision in; nobody brings it to the EHR yet."""
    versions = iter(range(1, 100))

    def folded(**issue: Any) -> None:
        with client.app.state.running.transaction() as work:
            fold_guidance(work, [decided(next(versions), [results(**issue)[-1]])], write_back=False)

    return folded


@pytest.fixture
def write(client: Any, ehr: Ehr) -> Callable[[], None]:
    """Bring the results to the EHR once, as one job does."""
    written = WriteBack(client.app.state.running, EhrClient(EHR, dict, ehr, attempts=1), TYPES)
    return lambda: written.write(Job("write-back", "p1", 1, 0))


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


def test_what_the_ehr_refuses_is_told_and_not_sent_again_before_it_changes(
    tell: Callable[..., None], ehr: Ehr, database: Database
) -> None:
    ehr.refuses = "DetectedIssue"
    tell(1, results())
    states = [entry(database, *key).state for key in (("DetectedIssue", "alert"), ("Task", "book"))]
    assert states == ["refused", "written"]
    ehr.refuses = ""
    ehr.sent.clear()
    tell(2, results())
    assert ehr.sent == []
    tell(3, results(detail="changed"))
    assert [one["detail"] for one in ehr.holds("DetectedIssue")] == ["changed"]


def test_an_ehr_that_is_away_gets_everything_when_it_is_back(
    tell: Callable[..., None], ehr: Ehr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "pause_s", lambda attempts: 0.02)
    ehr.answers = [httpx.Response(503), httpx.Response(500), httpx.Response(401), httpx.Response(429)]
    tell(1, results())
    assert [len(ehr.holds(kind)) for kind in TYPES] == [1, 1, 1, 1, 1]


def test_what_the_ehr_fails_on_holds_up_no_other(
    ehr: Ehr, client: Any, database: Database, serving: Any
) -> None:
    ehr.refuses, ehr.refusal = "CarePlan", 500
    with client.app.state.running.transaction() as work:
        fold_guidance(work, [decided(1, results())], write_back=True)
    serving.eventually(lambda: ehr.holds("RequestGroup"))
    assert [len(ehr.holds(kind)) for kind in TYPES] == [0, 1, 1, 1, 1]
    assert not settled(database)


def test_results_go_to_the_patient_of_the_same_identifier(
    tell: Callable[..., None], ehr: Ehr, client: Any
) -> None:
    ehr.client.request("DELETE", "/fhir/Patient/p1")
    ehr.put(PATIENT | {"id": "at-the-ehr"})
    tell(1, results())
    assert [one["patient"] for one in ehr.holds("DetectedIssue")] == [{"reference": "Patient/at-the-ehr"}]


# Who is who

BORN = {"birthDate": "1960-05-01", "gender": "female"}
OTHER = [{"system": "urn:mrn", "value": "78"}]


@pytest.mark.parametrize(
    ("ours", "there", "found"),
    [
        (BORN | {"identifier": MRN}, {"p1": BORN | {"identifier": MRN}}, "Patient/p1"),
        (BORN, {"p1": BORN}, "Patient/p1"),
        (BORN, {"p1": BORN | {"identifier": MRN}}, "Patient/p1"),
        (BORN | {"identifier": MRN}, {"p1": BORN | {"identifier": OTHER}}, None),
        (
            BORN | {"identifier": MRN},
            {"p1": BORN | {"identifier": OTHER}, "x": {"identifier": MRN}},
            "Patient/x",
        ),
        (BORN, {"p1": BORN | {"birthDate": "1961-05-01"}}, None),
        (BORN | {"identifier": MRN}, {"p1": BORN | {"gender": "male", "identifier": MRN}}, None),
        ({"identifier": MRN}, {"x": {"identifier": MRN}, "y": {"identifier": MRN}}, None),
        ({}, {"p1": {}}, None),
        (BORN, {}, None),
    ],
)
def test_nothing_is_written_about_somebody_who_is_not_surely_the_same(
    ours: Json, there: dict[str, Json], found: str | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        id = request.url.path.rpartition("/")[2]
        if id in there:
            return httpx.Response(200, json={"resourceType": "Patient", "id": id, **there[id]})
        if "identifier" not in request.url.params:
            return httpx.Response(404)
        fitting = [
            {"resource": {"resourceType": "Patient", "id": key, **one}}
            for key, one in there.items()
            if any(
                f"{i['system']}|{i['value']}" == request.url.params["identifier"]
                for i in one.get("identifier", [])
            )
        ]
        return httpx.Response(200, json={"resourceType": "Bundle", "entry": fitting})

    client = EhrClient(EHR, transport=httpx.MockTransport(answer))
    if found is not None:
        assert patient_at(client, {"id": "p1", **ours}) == found
    else:
        with pytest.raises(GiveUpError):
            patient_at(client, {"id": "p1", **ours})


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
