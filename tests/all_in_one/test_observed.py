"""One trace from the EHR's POST to the results, as a collector receives it; no signal names a patient."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import db_attributes, messaging_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
)

from all_in_one.app import AllInOne
from all_in_one.composition import SERVICES
from isodose.events.log import Record
from isodose.service import build_app
from isodose.settings import Settings
from isodose.telemetry import Telemetry, configure_logging

FHIR = {"content-type": "application/fhir+json"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PAGE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "b7ad6b7169203331"
DECIDING = ("eligibility_scoring", "are_surveillance", "ici_steroid_alerts")
READING = ("ehr_ingestion", "worklist")
"""Who follows what was decided."""
RECORD, GUIDANCE = "isodose.patient-record.v1", "isodose.guidance.v1"
MARK = "zzmark"
HOOKS = Path(__file__).resolve().parents[2] / "samples" / "hooks"


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    status: int


class Receiver:
    """Takes traces over OTLP/HTTP as a collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> list[Span]:
        found = []
        for body in self.bodies:
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {a.key: a.value.string_value for a in of_resource.resource.attributes}
                for of_scope in of_resource.scope_spans:
                    found += [_span(named["service.name"], span) for span in of_scope.spans]
        return found


def _span(service: str, span: Any) -> Span:
    attributes = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Span(service, span.name, span.kind, *ids, attributes, span.status.code)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def logged() -> Iterator[io.StringIO]:
    """All that the process logs, down to the least serious message, as it would be written."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    configure_logging("DEBUG")
    stream = root.handlers[0]
    assert isinstance(stream, logging.StreamHandler)
    stream.setStream(written)
    yield written
    root.handlers[:] = before
    root.setLevel(level)


def _poison(number: int) -> Record:
    """An event no service can read, with the marked value wherever a value can be."""
    data = {"patientId": f"{MARK}-{number}", "version": f"{MARK}"}
    event = {"specversion": "1.0", "id": MARK, "source": "x", "type": MARK, "time": "2026-11-23T00:00:00Z"}
    event |= {"datacontenttype": "application/json", "dataschema": "x", "subject": MARK, "data": data}
    return Record(RECORD, f"{MARK}-{number}", orjson.dumps(event), {})


@dataclass(frozen=True)
class Told:
    """What a process told of itself while it did everything once."""

    spans: list[Span]
    raw: bytes
    log: str
    metrics: str


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory,
    serving: ModuleType,
    patients: list[Path],
    receiver: Receiver,
    logged: io.StringIO,
) -> Told:
    whole = AllInOne(
        Settings(
            data_dir=tmp_path_factory.mktemp("observed"),
            demonstration_day=dt.date(2026, 11, 23),
            otlp_endpoint=receiver.url,
            handler_backoff_s=0,
            handler_attempts=2,
        )
    )
    whole.migrate()
    with serving.served(whole, whole.lifespan()) as client:
        _send_a_patient(client, serving, patients[0])
        _send_what_is_marked(client, serving, whole)
        metrics = client.get("/metrics").text
    return Told(receiver.spans(), b"".join(receiver.bodies), logged.getvalue(), metrics)


def _send_a_patient(client: Any, serving: ModuleType, file: Path) -> None:
    traced = FHIR | {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    answer = client.post("/fhir", json.loads(file.read_text(encoding="utf-8")), headers=traced)
    assert answer.status_code == 200
    folded = (
        f'isodose_events_handled_total{{outcome="handled",service="ehr_ingestion",topic="{GUIDANCE}"}} 3.0'
    )
    serving.eventually(lambda: folded in client.get("/metrics").text, 30)
    page = {"traceparent": f"00-{PAGE}-{CALLER}-01"}
    assert client.get("/worklist/Patient/demo-01", headers=page).status_code == 200
    call = json.loads((HOOKS / "srs-eligibility.json").read_text(encoding="utf-8"))
    assert client.post("/cds-services/srs-eligibility", call).json()["cards"]


def _send_what_is_marked(client: Any, serving: ModuleType, whole: AllInOne) -> None:
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": f"{MARK}-1",
        "identifier": [{"system": "urn:mrn", "value": f"{MARK}-mrn"}],
        "name": [{"family": MARK, "given": [MARK]}],
        "address": [{"line": [MARK]}],
        "birthDate": "1950-01-01",
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{MARK}</div>'},
    }
    note = {
        "resourceType": "Observation",
        "id": f"{MARK}-note",
        "status": "final",
        "code": {"text": MARK},
        "subject": {"reference": f"Patient/{MARK}-1"},
        "note": [{"text": MARK}],
        "valueString": MARK,
    }
    assert client.put(f"/fhir/Patient/{MARK}-1", patient, headers=FHIR).status_code == 201
    assert client.put(f"/fhir/Observation/{MARK}-note", note, headers=FHIR).status_code == 201
    refused = note | {"status": MARK}
    assert client.put(f"/fhir/Observation/{MARK}-note", refused, headers=FHIR).status_code >= 400
    assert client.get(f"/fhir/Patient/{MARK}-1").status_code == 200
    assert client.get(f"/fhir/Patient?name={MARK}").status_code == 200
    assert client.get(f"/fhir/{MARK}/{MARK}").status_code == 404
    assert client.get(f"/{MARK}/{MARK}?{MARK}={MARK}").status_code == 404
    client.get(f"/worklist/Patient/{MARK}-1")
    client.request(MARK.upper(), "/fhir/Patient")
    call = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": f"Practitioner/{MARK}", "patientId": f"{MARK}-1"},
        "prefetch": {"patient": patient},
    }
    client.post("/cds-services/srs-eligibility", call)
    client.post("/cds-services/srs-eligibility", call | {"hook": MARK})
    client.post(
        "/alerts/fhir/$assess", {"resourceType": "Parameters", "parameter": [{"name": MARK}]}, headers=FHIR
    )
    whole.running()["eligibility_scoring"].log.publish([_poison(1), _poison(2)])
    serving.eventually(
        lambda: 'isodose_dead_letters{service="eligibility_scoring"} 2.0' in client.get("/metrics").text, 30
    )


def of(told: Told, name: str, service: str | None = None) -> list[Span]:
    return [
        span
        for span in told.spans
        if span.trace == TRACE and span.name == name and service in (None, span.service)
    ]


def test_a_request_its_event_the_decisions_and_the_results_are_one_trace(told: Told) -> None:
    [request] = of(told, "POST /fhir", "ehr_ingestion")
    assert request.parent == CALLER
    [written] = of(told, "transaction ehr_ingestion")
    assert written.parent == request.id
    [sent] = of(told, f"send {RECORD}", "ehr_ingestion")
    assert sent.parent == written.id
    for service in DECIDING:
        [processed] = of(told, f"process {RECORD}", service)
        assert processed.parent == written.id
        [decided] = of(told, f"decide {service}", service)
        assert decided.parent == processed.id
        [result] = of(told, f"send {GUIDANCE}", service)
        assert result.parent == processed.id
        for reader in READING:
            assert processed.id in {folded.parent for folded in of(told, f"process {GUIDANCE}", reader)}
    assert len(of(told, f"process {GUIDANCE}")) == len(DECIDING) * len(READING)


def test_every_span_of_the_trace_hangs_below_the_callers(told: Told) -> None:
    ours = [span for span in told.spans if span.trace == TRACE]
    known = {span.id for span in ours} | {CALLER}
    assert {span.parent for span in ours} <= known
    assert {span.status for span in ours} == {0}


def test_a_page_is_one_trace_with_all_that_it_asks_of_the_services(told: Told) -> None:
    of_page = {span.id: span for span in told.spans if span.trace == PAGE}
    [page] = [span for span in of_page.values() if span.parent == CALLER]
    own = [span for span in of_page.values() if span.parent == page.id]
    asked = [span for span in own if span.name != "snapshot worklist"]
    assert len(own) == len(asked) + 2, "whether the patient was merged, and where its changes begin"
    assert {(span.service, span.name, span.kind) for span in asked} <= {
        ("worklist", "GET", 3),
        ("worklist", "POST", 3),
        ("worklist", "snapshot worklist", 3),
    }
    served = [
        span for span in of_page.values() if span.parent in {one.id for one in asked} and span.kind == 2
    ]
    assert len(served) == len(asked) > 2
    assert {span.service for span in served} >= {"ehr_ingestion", "are_surveillance"}
    assert {(a.attributes["server.address"], a.attributes["http.response.status_code"]) for a in asked} == {
        ("127.0.0.1", 200)
    }


def test_kinds_and_attributes_are_those_of_the_conventions(told: Told) -> None:
    conventions = {
        value
        for module in (
            http_attributes,
            url_attributes,
            server_attributes,
            error_attributes,
            db_attributes,
            messaging_attributes,
        )
        for name, value in vars(module).items()
        if name.isupper()
    }
    for span in told.spans:
        assert {name for name in span.attributes if not name.startswith("isodose.")} <= conventions
    [request] = of(told, "POST /fhir")
    assert request.kind == 2
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/fhir",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    [written] = of(told, "transaction ehr_ingestion")
    assert (written.kind, written.attributes["db.system.name"]) == (3, "sqlite")
    [sent] = of(told, f"send {RECORD}")
    assert (sent.kind, sent.attributes["messaging.operation.type"]) == (4, "send")
    processed = of(told, f"process {RECORD}", "are_surveillance")[0]
    assert processed.kind == 5
    assert processed.attributes["messaging.destination.name"] == RECORD
    assert processed.attributes["messaging.consumer.group.name"] == "are_surveillance"


def test_each_request_is_logged_with_its_trace_and_span(told: Told) -> None:
    lines = [orjson.loads(line) for line in told.log.splitlines()]
    [answered] = [line for line in lines if line["message"] == "answered" and line.get("trace") == TRACE]
    assert answered["span"] == of(told, "POST /fhir")[0].id


def test_what_could_not_be_read_is_a_failed_span_of_its_kind(told: Told) -> None:
    lines = [orjson.loads(line) for line in told.log.splitlines()]
    assert len([line for line in lines if line["message"] == "event set aside"]) == 8
    failed = {
        (s.service, s.attributes["error.type"])
        for s in told.spans
        if s.name == f"process {RECORD}" and s.status
    }
    assert failed == {(service, "ValidationError") for service in (*DECIDING, "worklist")}
    assert 'isodose_http_requests_total{method="_OTHER"' in told.metrics


@pytest.mark.parametrize(
    "line",
    [
        'isodose_decisions_total{outcome="data-required",service="eligibility_scoring"}',
        'isodose_findings_total{service="ici_steroid_alerts",verdict="unknown"}',
        'isodose_cards_total{cds="srs-eligibility",indicator=',
        'isodose_events_published_total{service="ehr_ingestion",topic="isodose.patient-record.v1"}',
        'isodose_outbox_wait_seconds_count{service="are_surveillance"}',
        'isodose_outbox_oldest_seconds{service="are_surveillance"} 0.0',
        'isodose_event_age_seconds_count{service="ehr_ingestion",topic="isodose.guidance.v1"}',
        'isodose_consumer_lag{service="ehr_ingestion",topic="isodose.guidance.v1"} 0.0',
    ],
)
def test_what_was_done_is_counted(told: Told, line: str) -> None:
    assert line in told.metrics


def test_no_log_line_span_or_metric_holds_anything_of_a_patient(told: Told, patients: list[Path]) -> None:
    sent = json.loads(patients[0].read_text(encoding="utf-8"))
    [patient] = [e["resource"] for e in sent["entry"] if e["resource"]["resourceType"] == "Patient"]
    assert told.spans
    marked = [MARK, patient["id"], patient["identifier"][0]["value"]]
    for text in (told.log, told.metrics, told.raw.decode("latin-1")):
        for value in marked:
            assert value.lower() not in text.lower(), value


@pytest.mark.kafka
@pytest.mark.postgres
def test_one_trace_leads_through_kafka_from_service_to_service_and_back(
    new_postgresql: Callable[[], str],
    kafka_url: str,
    topic_prefix: str,
    patients: list[Path],
    serving: ModuleType,
    receiver: Receiver,
) -> None:
    telemetry = Telemetry(receiver.url)
    apps = []
    for name in ("ehr_ingestion", "are_surveillance"):
        settings = Settings(
            database_url=new_postgresql(),
            event_log_url=f"{kafka_url}?prefix={topic_prefix}",
            demonstration_day=dt.date(2026, 11, 23),
        )
        apps.append(build_app(SERVICES[name](settings), settings, telemetry))
    before = len(receiver.spans())
    traced = FHIR | {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    body = json.loads(patients[10].read_text(encoding="utf-8"))
    with serving.served(apps[0]) as ehr, serving.served(apps[1]):
        assert ehr.post("/fhir", body, headers=traced).status_code == 200
        serving.eventually(lambda: ehr.get("/fhir/CarePlan?_summary=count").json()["total"], 60)
    telemetry.close()
    spans = {span.id: span for span in receiver.spans()[before:] if span.trace == TRACE}
    folded = next(
        s for s in spans.values() if (s.service, s.name) == ("ehr_ingestion", f"process {GUIDANCE}")
    )
    way = [folded]
    while way[-1].parent != CALLER:
        way.append(spans[way[-1].parent])
    assert [(span.service, span.name) for span in reversed(way)] == [
        ("ehr_ingestion", "POST /fhir"),
        ("ehr_ingestion", "transaction ehr_ingestion"),
        ("are_surveillance", f"process {RECORD}"),
        ("ehr_ingestion", f"process {GUIDANCE}"),
    ]
    assert {span.attributes["messaging.system"] for span in way if "process" in span.name} == {"kafka"}
    assert way[-2].attributes["db.system.name"] == "postgresql"
