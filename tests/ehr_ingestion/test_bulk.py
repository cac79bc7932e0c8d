"""Patients are read by a Bulk Data export: whole, then what is new, going on after every interruption.

The EHR is played by a transport that answers as the specification says; a real server plays it in tests/hapi.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from all_in_one.pulling import bulk_pull
from ehr_ingestion.bulk.exporting import Report
from ehr_ingestion.bulk.job import ExportEndedError
from ehr_ingestion.bulk.lines import lines
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from isodose.events.lease import lease_of
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.records import Records
from isodose.storage.tables import outbox, resource

Json = dict[str, Any]
HOST = "https://ehr.example"
BASE = f"{HOST}/fhir/r4"
STATUS = f"{HOST}/jobs/1"
FILES = "https://files.example"
NOW = "2026-11-20T10:00:00.000Z"
PATIENTS = ExportRequest(types=("Patient", "Observation"))


@dataclass
class Ehr(httpx.BaseTransport):
    """Answers an export: `before` are answers to the state before it is ready, `files` what each holds.

    `asked` keeps every request; `breaks` after how many bytes each download breaks off, None: not at all.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    manifest: Json = field(default_factory=dict)
    kick_off: list[httpx.Response] = field(default_factory=list)
    before: list[httpx.Response] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    breaks: list[int | None] = field(default_factory=list)
    takes_ranges: bool = True
    asked: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if "$export" in request.url.path:
            return self.kick_off.pop(0) if self.kick_off else _accepted()
        if str(request.url) == STATUS:
            if request.method == "DELETE":
                return httpx.Response(202)
            return self.before.pop(0) if self.before else httpx.Response(200, json=self.manifest)
        if self.refused:
            return httpx.Response(self.refused.pop(0))
        return self._file(request, self.files[str(request.url)])

    def _file(self, request: httpx.Request, content: bytes) -> httpx.Response:
        headers = {"etag": f'"{len(content)}"'}
        span = request.headers.get("range")
        if span and self.takes_ranges and request.headers.get("if-range", headers["etag"]) == headers["etag"]:
            start = int(span.removeprefix("bytes=").rstrip("-"))
            return httpx.Response(206, headers=headers, stream=Broken(content[start:], self.breaks))
        if request.headers["accept-encoding"] == "gzip" and not self.breaks:
            headers["content-encoding"] = "gzip"
            content = gzip.compress(content)
        return httpx.Response(200, headers=headers, stream=Broken(content, self.breaks))

    def of(self, path: str, method: str = "GET") -> list[httpx.Request]:
        return [one for one in self.asked if one.method == method and path in str(one.url)]


class Broken(httpx.SyncByteStream):
    """Content that comes in small pieces and may break off."""

    def __init__(self, content: bytes, breaks: list[int | None]) -> None:
        self.content = content
        self.breaks_at = breaks.pop(0) if breaks else None

    def __iter__(self) -> Iterator[bytes]:
        content = self.content[: self.breaks_at]
        yield from (content[at : at + 700] for at in range(0, len(content), 700))
        if self.breaks_at is not None:
            raise httpx.ReadError("broken off")


def _accepted() -> httpx.Response:
    return httpx.Response(202, headers={"content-location": STATUS})


def ndjson(*resources: Json | str) -> bytes:
    written = [one if isinstance(one, str) else json.dumps(one) for one in resources]
    return "".join(f"{line}\n" for line in written).encode()


def patient(id: str = "p1", **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id, "birthDate": "1960-05-01", **more}


def kps(id: str, value: int = 80, patient: str = "p1", **more: Any) -> Json:
    code = {"system": "https://isodose.example/fhir/CodeSystem/fact", "code": "kps"}
    return {
        "resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [code]},
        "subject": {"reference": f"Patient/{patient}"}, "effectiveDateTime": "2026-11-01",
        "valueInteger": value, **more,
    }  # fmt: skip


def exporting(ehr: Ehr, files: dict[str, tuple[str, bytes]], token: bool = True, **more: Any) -> None:
    """Let the EHR export these files, each with its type."""
    ehr.files |= {f"{FILES if not token else HOST}/{name}": content for name, (_, content) in files.items()}
    listed = [
        {"type": kind, "url": f"{FILES if not token else HOST}/{name}"} for name, (kind, _) in files.items()
    ]
    ehr.manifest = {
        "transactionTime": NOW, "request": BASE, "requiresAccessToken": token, "output": listed,
        "error": [], **more,
    }  # fmt: skip


@pytest.fixture
def ehr() -> Ehr:
    return Ehr()


@pytest.fixture
def run(settings: Settings, ehr: Ehr) -> Callable[..., Report]:
    def run(request: ExportRequest = PATIENTS, **more: Any) -> Report:
        client = EhrClient(
            HOST, lambda: {"authorization": "Bearer granted"}, ehr, more.pop("slept", []).append
        )
        return bulk_pull(client, BASE, request, settings, **more)

    return run


def kept(database: Database) -> list[str]:
    with database.read() as conn:
        query = select(resource.c.type, resource.c.id).where(
            resource.c.deleted.is_(False), resource.c.origin == "ehr"
        )
        return sorted(f"{row.type}/{row.id}" for row in conn.execute(query))


def facts(database: Database, patient_id: str = "p1") -> list[Any]:
    with database.read() as conn:
        record = Records(conn).get(patient_id)
    return [] if record is None else [(fact.name, fact.value) for fact in record.facts]


def test_an_export_is_kicked_off_waited_for_read_and_ended(ehr: Ehr, run: Any, database: Database) -> None:
    observations = ndjson(*(kps(f"o{n}") for n in range(250)))
    exporting(ehr, {"b": ("Observation", observations), "a": ("Patient", ndjson(patient()))})
    ehr.before = [
        httpx.Response(202, headers={"retry-after": "7", "x-progress": "40%"}),
        httpx.Response(202),
        httpx.Response(429, headers={"retry-after": "3"}),
    ]
    slept: list[float] = []
    told: list[str] = []
    report = run(slept=slept, told=told.append)

    (asked,) = ehr.of("$export")
    assert (asked.headers["prefer"], asked.headers["accept"]) == ("respond-async", "application/fhir+json")
    assert asked.url.path == "/fhir/r4/Patient/$export"
    assert dict(asked.url.params) == {
        "_outputFormat": "application/fhir+ndjson", "_type": "Patient,Observation"
    }  # fmt: skip
    assert slept[0] == 7
    assert 1 <= slept[1] <= 2
    assert slept[2] == 3
    assert "waiting for the EHR: 40%" in told
    assert [(file.type, file.lines, file.accepted, file.done) for file in report.files] == [
        ("Patient", 1, 1, True), ("Observation", 250, 250, True)
    ]  # fmt: skip
    assert (report.aside, report.records, report.ended) == ([], 1, True)
    assert len(ehr.of(STATUS, "DELETE")) == 1
    assert len(kept(database)) == 251
    with database.read() as conn:
        assert len(conn.execute(select(outbox.c.seq)).all()) == 1, "the record is told once, whole"


def test_the_next_export_asks_for_what_came_since_and_what_is_here_is_unchanged(ehr: Ehr, run: Any) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1")))})
    run()
    report = run()
    assert "_since" not in ehr.of("$export")[0].url.params
    assert ehr.of("$export")[1].url.params["_since"] == NOW
    assert [(file.accepted, file.changed, file.unchanged) for file in report.files] == [(0, 0, 1)] * 2
    assert report.records == 0
    run(whole=True)
    run(ExportRequest(group="g1"))
    run(ExportRequest(level="system", filters=("Observation?status=final",)), since="2026-01-01T00:00:00Z")
    *_, whole, group, system = ehr.of("$export")
    assert "_since" not in whole.url.params
    assert (group.url.path, "_since" in group.url.params) == ("/fhir/r4/Group/g1/$export", False)
    assert system.url.path == "/fhir/r4/$export"
    assert system.url.params["_typeFilter"] == "Observation?status=final"
    assert system.url.params["_since"] == "2026-01-01T00:00:00Z"


def test_a_server_that_takes_kick_offs_by_post_alone_gets_parameters(ehr: Ehr, run: Any) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient()))})
    ehr.kick_off = [httpx.Response(405)]
    run(since="2026-01-01T00:00:00Z")
    (posted,) = ehr.of("$export", "POST")
    assert json.loads(posted.content)["parameter"] == [
        {"name": "_outputFormat", "valueString": "application/fhir+ndjson"},
        {"name": "_since", "valueInstant": "2026-01-01T00:00:00Z"},
        {"name": "_type", "valueString": "Patient"},
        {"name": "_type", "valueString": "Observation"},
    ]


def test_drugs_that_are_exported_with_everything_only_are_left_out(ehr: Ehr, run: Any) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient()))})
    ehr.kick_off = [httpx.Response(400)]
    run(ExportRequest(types=("Patient", "Medication")))
    assert [one.url.params["_type"] for one in ehr.of("$export")] == ["Patient,Medication", "Patient"]


def test_a_bad_line_is_refused_with_its_reason_and_the_others_are_kept(
    ehr: Ehr, run: Any, database: Database
) -> None:
    written = ndjson(
        kps("o1"), "{", "", kps("o2") | {"status": "done"}, "[1]", kps("o3", patient="nobody"), '{"id": "x"}',
        kps("o4") | {"valueInteger": None, "valueString": "eighty"}, '{"resourceType": "Observation"}',
        '{"resourceType": "Observation", "id": "o5", "status": "final", "status": "final"}', kps("o6"),
    )  # fmt: skip
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", written)})
    report = run()
    assert kept(database) == ["Observation/o1", "Observation/o6", "Patient/p1"]
    assert [(one.line, one.place) for one in report.aside] == [
        (2, ""), (4, "Observation/o2"), (5, ""), (6, "Observation/o3"), (7, ""), (8, "Observation/o4"),
        (9, "Observation"), (10, ""),
    ]  # fmt: skip
    assert report.aside[1].reason.endswith("(Observation.status)")
    assert report.files[1].refused == 8
    assert not any("eighty" in one.reason for one in report.aside)


def test_what_refers_to_something_that_comes_later_is_kept_after_all(
    ehr: Ehr, run: Any, database: Database
) -> None:
    first = kps("o1") | {"focus": [{"reference": "Observation/o2"}]}
    second = kps("o2") | {"focus": [{"reference": "Observation/o3"}]}
    exporting(
        ehr, {"b": ("Observation", ndjson(first, second, kps("o3"))), "a": ("Patient", ndjson(patient()))}
    )
    report = run()
    assert kept(database) == ["Observation/o1", "Observation/o2", "Observation/o3", "Patient/p1"]
    assert [file.accepted for file in report.files] == [1, 3]
    assert report.aside == []


def test_deletions_are_carried_out_and_remarks_are_told(ehr: Ehr, run: Any, database: Database) -> None:
    exporting(
        ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1"), kps("o2", 60)))}
    )
    run()
    assert facts(database) == [("kps", 80), ("kps", 60)]
    entries = [{"request": {"method": "DELETE", "url": f"Observation/{id}"}} for id in ("o2", "never-here")]
    gone = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    remark = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "too-costly"}]}
    noted = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "information", "code": "informational"}],
    }
    ehr.files |= {f"{HOST}/d": ndjson(gone, "{"), f"{HOST}/e": ndjson(remark, noted)}
    exporting(
        ehr, {}, deleted=[{"type": "Bundle", "url": f"{HOST}/d"}],
        error=[{"type": "OperationOutcome", "url": f"{HOST}/e"}],
    )  # fmt: skip
    report = run()
    assert facts(database) == [("kps", 80)]
    assert [(file.kind, file.changed, file.unchanged) for file in report.files] == [
        ("deleted", 1, 1), ("error", 0, 0)
    ]  # fmt: skip
    assert [(one.file, one.line, one.reason) for one in report.aside] == [
        (0, 2, "The line is not a Bundle."), (1, 1, "The EHR did not export something: too-costly.")
    ]  # fmt: skip


@pytest.mark.parametrize("token", [True, False])
def test_the_token_goes_to_the_files_only_when_they_need_it(ehr: Ehr, run: Any, token: bool) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient()))}, token=token)
    run()
    (asked,) = ehr.of("/a")
    assert ("authorization" in asked.headers) is token
    assert (asked.headers["accept"], asked.headers["accept-encoding"]) == ("application/fhir+ndjson", "gzip")


@pytest.mark.parametrize(
    ("token", "url"), [(True, "https://attacker.example/a"), (False, "http://files.example/a")]
)
def test_files_elsewhere_get_no_token_and_nothing_goes_unencrypted(
    ehr: Ehr, run: Any, token: bool, url: str
) -> None:
    exporting(ehr, {}, token=token, output=[{"type": "Patient", "url": url}])
    with pytest.raises(EhrAwayError, match="outside"):
        run()
    assert ehr.of(url) == []


def test_a_status_elsewhere_is_not_asked(ehr: Ehr, run: Any) -> None:
    ehr.kick_off = [httpx.Response(202, headers={"content-location": "https://attacker.example/jobs/1"})]
    with pytest.raises(EhrAwayError, match="outside"):
        run()
    assert ehr.of("attacker") == []


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_a_download_that_breaks_off_is_taken_up_where_it_was(
    ehr: Ehr, run: Any, database: Database, takes_ranges: bool
) -> None:
    observations = ndjson(*(kps(f"o{n}") for n in range(400)))
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", observations)})
    ehr.takes_ranges = takes_ranges
    ehr.breaks = [None, 70_000, 71_000]
    report = run()
    assert len(kept(database)) == 401
    assert [(file.lines, file.accepted, file.unchanged) for file in report.files] == [
        (1, 1, 0),
        (400, 400, 0),
    ]
    begun, *resumed = ehr.of("/b")
    assert "range" not in begun.headers
    assert len(resumed) == 2
    for one in resumed:
        at = int(one.headers["range"].removeprefix("bytes=").rstrip("-"))
        assert observations[at : at + 1] == b"\n"
        assert one.headers["accept-encoding"] == "identity"


def test_a_file_that_is_another_one_meanwhile_is_read_from_its_beginning(
    ehr: Ehr, run: Any, database: Database
) -> None:
    observations = ndjson(*(kps(f"o{n}") for n in range(300)))
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", observations)})
    ehr.breaks = [None, 70_000] + [0] * 5
    with pytest.raises(EhrAwayError, match="breaks off"):
        run()
    ehr.breaks = []
    ehr.files[f"{HOST}/b"] = ndjson(*(kps(f"n{n}") for n in range(120)))
    report = run()
    assert len(ehr.of("$export")) == 1, "it was gone on with"
    assert [(file.lines, file.accepted) for file in report.files] == [(1, 1), (120, 120)]
    assert "Observation/n0" in kept(database)


def test_links_that_have_expired_are_asked_for_again(ehr: Ehr, run: Any) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1")))})
    ehr.refused = [403]
    report = run()
    assert [file.accepted for file in report.files] == [1, 1]
    assert len(ehr.of(STATUS)) == 2
    ehr.refused = [410] * 3
    with pytest.raises(EhrAwayError, match="do not work"):
        run()


def test_a_busy_ehr_is_waited_for_before_each_file(ehr: Ehr, run: Any) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1")))})
    ehr.refused = [429, 503]
    slept: list[float] = []
    assert [file.accepted for file in run(slept=slept).files] == [1, 1]
    assert len(slept) == 2


def test_an_export_that_the_ehr_forgot_is_begun_anew(ehr: Ehr, run: Any, database: Database) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1")))})
    ehr.breaks = [None, *[0] * 5]
    with pytest.raises(EhrAwayError):
        run()
    ehr.breaks, ehr.refused = [], [404]
    ehr.before = [httpx.Response(404)]
    report = run()
    assert len(ehr.of("$export")) == 2
    assert [(file.accepted, file.unchanged) for file in report.files] == [(0, 1), (1, 0)]
    assert facts(database) == [("kps", 80)]


def test_a_passing_failure_of_the_ehr_is_waited_out_and_a_lasting_one_ends_the_export(
    ehr: Ehr, run: Any
) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient()))})
    passing = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "transient"}]}
    ehr.before = [httpx.Response(500, json=passing)]
    assert run().files[0].accepted == 1
    lasting = {
        "resourceType": "OperationOutcome",
        "issue": [{"code": "exception", "diagnostics": "Eva Muster"}],
    }
    ehr.before = [httpx.Response(500, json=lasting)]
    with pytest.raises(ExportEndedError, match="500: exception") as told:
        run()
    assert "Muster" not in str(told.value)


def test_what_was_begun_can_be_given_up(ehr: Ehr, run: Any, database: Database) -> None:
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1")))})
    ehr.breaks = [None, *[0] * 5]
    with pytest.raises(EhrAwayError):
        run()
    ehr.breaks = []
    run(anew=True)
    assert len(ehr.of("$export")) == 2
    assert len(ehr.of(STATUS, "DELETE")) == 2
    assert facts(database) == [("kps", 80)]


def test_references_by_the_ehrs_own_address_lead_to_what_is_here(
    ehr: Ehr, run: Any, database: Database
) -> None:
    spelled = kps("o1") | {"subject": {"reference": f"{BASE}/Patient/p1"}}
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(spelled))})
    run()
    assert facts(database) == [("kps", 80)]


def test_the_ehrs_copies_of_our_own_results_are_not_taken_in(ehr: Ehr, run: Any, database: Database) -> None:
    identifier = [{"system": "https://isodose.example/fhir/NamingSystem/result", "value": "k"}]
    exporting(
        ehr,
        {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(kps("o1", identifier=identifier)))},
    )
    report = run()
    assert report.files[1].unchanged == 1
    assert kept(database) == ["Patient/p1"]


def test_two_exports_into_one_database_do_not_meet(ehr: Ehr, run: Any, database: Database) -> None:
    lease = lease_of(database, "bulk")
    assert lease.acquire()
    with pytest.raises(EhrAwayError, match="another export"):
        run()
    lease.release()
    exporting(ehr, {"a": ("Patient", ndjson(patient()))})
    assert run().files[0].accepted == 1


def test_a_line_longer_than_allowed_is_refused_without_being_held(
    ehr: Ehr, run: Any, settings: Settings
) -> None:
    long = kps("o1") | {"note": [{"text": "x" * 3000}]}
    exporting(ehr, {"a": ("Patient", ndjson(patient())), "b": ("Observation", ndjson(long, kps("o2")))})
    object.__setattr__(settings, "max_body_bytes", 2000)
    report = run()
    assert [(one.line, one.reason) for one in report.aside] == [(1, "The line is longer than 2000 bytes.")]
    assert report.files[1].accepted == 1


def test_lines_are_the_same_however_the_stream_is_cut() -> None:
    text = b"\xef\xbb\xbfa\r\n\nbbb\nlonger\n  c"
    for size in range(1, len(text) + 1):
        chunks = [text[at : at + size] for at in range(0, len(text), size)]
        found = [(line.end, line.text) for line in lines(chunks, 100, 5)]
        assert found == [(106, b"a"), (107, b""), (111, b"bbb"), (118, None), (121, b"c")], size
